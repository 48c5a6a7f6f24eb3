"""Small runs, made by hand, for the tests of the audit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit import write_audit
from pipelines.captions import REJECTS
from pipelines.config import Config, RunnerConfig
from pipelines.report.figures import Audit
from pipelines.run import Run
from pipelines.runner import Launcher

Row = dict[str, Any]

PAIRS = pa.schema(
    [
        ("key", pa.string()),
        ("n", pa.int32()),
        ("split", pa.string()),
        ("text_id", pa.binary(16)),
        ("language", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("back", pa.string()),
        ("mt_logprob", pa.float32()),
        ("mt_tokens", pa.int32()),
        ("mt_unfinished", pa.bool_()),
        ("back_logprob", pa.float32()),
        ("lid_label", pa.string()),
        ("lid_prob", pa.float32()),
        ("similarity", pa.float32()),
        ("back_chrf", pa.float32()),
        ("length_ratio", pa.float32()),
        ("copy_ratio", pa.float32()),
        ("repetition", pa.float32()),
        ("numbers_differ", pa.bool_()),
        ("script_share", pa.float32()),
        ("keep", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("weight", pa.float32()),
    ]
)

_KEPT: Row = {
    "key": "photo",
    "n": 0,
    "split": "train",
    "text_id": bytes(16),
    "language": "de",
    "source": "A dog runs .",
    "target": "Ein Hund läuft .",
    "mt_logprob": -0.5,
    "mt_tokens": 5,
    "mt_unfinished": False,
    "lid_label": "de",
    "lid_prob": 0.75,
    "similarity": 0.875,
    "length_ratio": 1.25,
    "copy_ratio": 0.0,
    "repetition": 0.0,
    "numbers_differ": False,
    "script_share": 1.0,
}


@pytest.fixture(scope="session")
def pairs_of() -> Callable[..., pa.Table]:
    """Return a function of rows: each says how its pair differs from a kept German one."""

    def table(*rows: Row) -> pa.Table:
        filled = []
        for row in rows:
            reasons = row.get("reasons", [])
            filled.append({"keep": not reasons, "reasons": reasons, "weight": 0.0 if reasons else 1.0, **_KEPT, **row})
        return pa.Table.from_pylist(filled, schema=PAIRS)

    return table


@pytest.fixture(scope="session")
def config_of() -> Callable[..., Config]:
    """Return a function of languages and sections that gives a configuration."""

    def config(*languages: str, **sections: Row) -> Config:
        needed = {"input": {"format": "jsonl", "path": "captions.jsonl"}, "languages": list(languages)}
        return Config.model_validate(needed | sections)

    return config


@pytest.fixture
def audit_run(tmp_path: Path) -> Callable[..., Audit]:
    """Return a function that writes parts into ``tmp_path`` and audits them into ``tmp_path / "audit"``."""

    def run(parts: dict[str, pa.Table], config: Config, rejects: list[Row] | None = None) -> Audit:
        for folder in ("pairs", "rejects", "shards"):
            (tmp_path / folder).mkdir(exist_ok=True)
        for name, table in parts.items():
            pq.write_table(table, tmp_path / "pairs" / f"{name}.parquet")
        if rejects is not None:
            pq.write_table(pa.Table.from_pylist(rejects, schema=REJECTS), tmp_path / "rejects" / "part.parquet")
        return write_audit(Run(str(tmp_path)), config, Launcher(RunnerConfig(workers=1)))

    return run
