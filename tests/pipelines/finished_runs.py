"""Finished runs written by hand, with just the pairs that a test is about."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import yaml

from pipelines import files
from pipelines.config import Config
from pipelines.judging import PAIRS
from pipelines.run import Run, settled
from shards.manifest import Manifest, Shard

PAIR: dict[str, Any] = {
    "key": "dog",
    "n": 0,
    "split": "train",
    "language": "de",
    "source": "A dog.",
    "target": "Ein Hund.",
    "back": "One dog.",
    "similarity": 0.75,
    "keep": True,
    "reasons": [],
    "weight": 0.5,
}
"""A kept pair; others are it, but for what they say."""


def write_run(folder: Path, *rows: dict[str, Any], backs: bool = True, **settings: Any) -> Run:
    """Write what a finished run of the pairs ``rows`` holds beside its tars: one shard a split, in their order.

    ``settings`` are sections of the configuration, which is of text only and translates by ``mini``.
    """
    run = Run(str(folder))
    pairs = [{**PAIR, **row} for row in rows]
    languages = list(dict.fromkeys(pair["language"] for pair in pairs)) or ["de"]
    config = Config.model_validate(
        {
            "input": {"format": "jsonl", "path": "captions.jsonl"},
            "languages": languages,
            "translate": {"back_translation": backs},
            **settings,
        }
    )
    files.write_bytes(run.config, yaml.safe_dump(settled(config), allow_unicode=True).encode())
    shards = []
    for split in dict.fromkeys(pair["split"] for pair in pairs):
        mine = [pair for pair in pairs if pair["split"] == split]
        columns = [pa.array([pair.get(field.name) for pair in mine], field.type) for field in PAIRS]
        files.write_parquet(files.join(run.pairs, f"{split}-000000.parquet"), pa.table(columns, schema=PAIRS))
        captions, kept = len({(pair["key"], pair["n"]) for pair in mine}), sum(pair["keep"] for pair in mine)
        shards.append(
            Shard(f"{split}-000000.tar", split, len({pair["key"] for pair in mine}), 0, captions, kept, 0, "")
        )
    captions, kept = sum(shard.captions for shard in shards), sum(shard.pairs for shard in shards)
    prints = {"translations": "t", "backs": "b" if backs else None, "scores": "s"}
    manifest = Manifest(
        tuple(shards), captions, 0, len(pairs), kept, len(pairs) - kept, dict.fromkeys(languages, prints)
    )
    files.write_bytes(run.manifest, manifest.to_json())
    return run


def write_audit(run: Run, audit: dict[str, Any]) -> None:
    """Write the audit of ``run``."""
    files.write_bytes(files.join(run.audit, "audit.json"), orjson.dumps(audit))
