"""Show: what happened to one item, or to a sample of items, in the terminal."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import files
from pipelines.run import Run
from pipelines.runner import RunFailed

_SCORES = ("similarity", "lid_prob", "mt_logprob", "back_chrf", "length_ratio", "copy_ratio", "repetition")


def show(run: Run, *, key: str | None, items: int) -> Iterator[str]:
    """Yield lines on the item ``key``, or on the ``items`` items with the smallest hash: the same ones each time.

    Raises `RunFailed` where there is no finished run, or nothing is known of ``key``.
    """
    parts = files.listing(run.pairs, suffix=".parquet")
    rejects = files.listing(run.rejects, suffix=".parquet")
    if not parts and not rejects:
        raise RunFailed(f"{run.root} holds no pairs: run cut (or build) first")
    keys = [key] if key is not None else _sample([part.path for part in parts], items)
    found = False
    for part in parts:
        pairs = files.read_parquet(part.path)
        pairs = pairs.filter(pc.is_in(pairs["key"], value_set=pa.array(keys, pa.string())))
        for line in _item_lines(pairs.to_pylist(), part.path):
            found = True
            yield line
    for part in rejects:
        table = files.read_parquet(part.path)
        for reject in table.filter(pc.is_in(table["key"], value_set=pa.array(keys, pa.string()))).to_pylist():
            found = True
            number = "" if reject["n"] is None else f" caption {reject['n']}"
            yield f"{reject['key']}{number}: rejected, {reject['reason']}: {reject['detail']} ({reject['origin']})"
    if key is not None and not found:
        raise RunFailed(f"nothing is known of key {key!r} in {run.root}")


def _sample(paths: list[str], items: int) -> list[str]:
    keys: set[str] = set()
    for path in paths:
        keys |= set(files.read_parquet(path, ["key"])["key"].unique().to_pylist())
        keys = set(sorted(keys, key=lambda key: hashlib.blake2b(key.encode(), digest_size=8).digest())[:items])
    return sorted(keys)


def _item_lines(rows: list[dict[str, Any]], path: str) -> Iterator[str]:
    shown: tuple[str, int] | None = None
    for row in rows:
        if (row["key"], row["n"]) != shown:
            if shown is None or shown[0] != row["key"]:
                yield f"{row['key']} ({path.rsplit('/', 1)[-1].removesuffix('.parquet')})"
            shown = (row["key"], row["n"])
            yield f"  {row['n']}  {row['source']}"
        verdict = f"kept, weight {row['weight']:.2f}" if row["keep"] else "dropped: " + ", ".join(row["reasons"])
        yield f"     {row['language']:<3} {row['target'] or '(no translation)'}"
        if row["back"]:
            yield f"         back: {row['back']}"
        scores = "  ".join(f"{name} {row[name]:.2f}" for name in _SCORES if row[name] is not None)
        label = "" if row["lid_label"] in (None, row["language"]) else f"  looks like {row['lid_label']}"
        yield f"         {verdict};  {scores}{label}"
