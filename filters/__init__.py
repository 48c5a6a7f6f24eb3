"""Pair to scores to verdict: language, similarity, round trip, rules."""
