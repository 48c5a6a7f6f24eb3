"""Trainers that read captionloom's shards: small, and whole."""
