"""Sources: input files of every format become caption tables and reject tables."""

from pipelines.sources.record import Source, Split
from pipelines.sources.registry import find_files, open_source
from pipelines.sources.tables import read_tables

__all__ = ["Source", "Split", "find_files", "open_source", "read_tables"]
