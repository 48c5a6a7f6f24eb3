"""The command ``captionloom export``: its options, and what each says it did. Nothing heavy is imported before."""

import argparse
from collections.abc import Iterator
from typing import Any


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the formats and their options to the parser of ``export``."""
    formats = parser.add_subparsers(required=True, metavar="FORMAT", dest="format")

    def added(name: str, help_line: str, out: str) -> argparse.ArgumentParser:
        one = formats.add_parser(name, help=help_line, description=help_line)
        one.add_argument("run", metavar="RUN")
        one.add_argument("--out", metavar=out, required=True)
        one.add_argument("--split", action="append", default=[], help="of the run; may be given several times")
        one.add_argument("--min-weight", type=float, default=0.0, metavar="W", help="leave out pairs that weigh less")
        one.add_argument("--overwrite", action="store_true", help="replace an earlier export; nothing else is deleted")
        # As before the format: without a default of its own it does not undo that.
        one.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
        return one

    for name, out, help_line in (
        ("parquet", "FILE.parquet", "the kept pairs with their scores, one file"),
        ("jsonl", "FILE.jsonl[.gz]", "the same as JSON lines"),
        ("hf", "DIR", "the same as a dataset folder with a card, for Hugging Face's datasets"),
    ):
        one = added(name, help_line, out)
        one.add_argument("--language", action="append", default=[], metavar="CODE", help="default: all of the run")
    one = added("nrccr", "the flat files that the public code of NRCCR, and CL2CM, reads", "DIR")
    one.add_argument("--language", required=True, metavar="CODE")
    one.add_argument("--collection", required=True, metavar="NAME", help="names the files and their folder in DIR")
    one.add_argument("--prefix", default="google", help="stands before enc2de in the names (default google)")
    one.add_argument(
        "--references",
        action="append",
        default=[],
        metavar="[val=|test=]FILE",
        help="human captions for val and test, .jsonl or .tsv, .gz or not; may be given several times",
    )
    one.add_argument("--columns", metavar="key=NAME,caption=NAME,split=NAME", help="their names in the references")
    one.add_argument("--reference-model", metavar="MODEL", help="translates the references (default: as the run does)")
    one.add_argument(
        "--skip-unfit", action="store_true", help="leave out keys and captions that the reader would misread"
    )


def export(options: Any) -> Iterator[str]:
    """Do what the options of `add_export` say, and yield what was done, line by line."""
    from pipelines.export import Wanted, export_jsonl, export_parquet
    from pipelines.run import Run

    run = Run(options.run)
    if options.format == "nrccr":
        from pipelines.export_nrccr import NrccrSettings, export_nrccr, nrccr_lines

        settings = NrccrSettings(
            language=options.language,
            collection=options.collection,
            prefix=options.prefix,
            splits=tuple(options.split) or ("train",),
            min_weight=options.min_weight,
            references=tuple(options.references),
            columns=options.columns,
            reference_model=options.reference_model,
            skip_unfit=options.skip_unfit,
        )
        yield from nrccr_lines(export_nrccr(run, options.out, settings, overwrite=options.overwrite))
        return
    wanted = Wanted(tuple(options.language), tuple(options.split), options.min_weight)
    if options.format == "hf":
        from pipelines.export_hf import export_hf, hf_lines

        yield from hf_lines(export_hf(run, options.out, wanted, overwrite=options.overwrite), options.out)
        return
    write = export_parquet if options.format == "parquet" else export_jsonl
    rows = write(run, options.out, wanted, overwrite=options.overwrite)
    yield f"{options.out}: {rows:,} pairs"
