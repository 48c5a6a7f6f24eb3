"""Samples to tar and back: keys, samples, the writer and the manifest."""
