"""Measurements of speed and memory: each script prints one table and, with ``--json FILE``, writes the same figures."""
