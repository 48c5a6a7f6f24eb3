"""What ``captionloom noise`` does: clean pairs in, pairs with planted noise out, each with its label and kind."""

import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from filters.noise import KINDS, NoiseError, plant
from pipelines import files
from pipelines.config import ConfigError, ScoreConfig, nearest
from pipelines.parallel import Reject, kept_pairs, opened, read_parallel
from pipelines.run import Run
from pipelines.teachers import find_teacher
from translate.decoding import Device
from translate.languages import Language, LanguageError, parse_language
from translate.models import ModelError

WRITTEN: Final = (".parquet", ".tsv", ".jsonl")
"""What the name of a file that is written may end in, ``.gz`` behind the latter two or not."""


@dataclass(frozen=True)
class Planted:
    """What was planted."""

    rows: int
    kinds: Counter[str]
    """Rows of each kind."""
    rejects: list[Reject]
    """Records of the input that are no pairs."""


def noise(
    inputs: Sequence[str],
    out: str,
    *,
    language: str,
    ratio: float,
    kinds: Sequence[str] | None,
    seed: int,
    other: str | None = None,
    teacher: str = "muse",
) -> Planted:
    """Plant noise in the pairs of ``inputs`` (see `read_parallel`) and write them to ``out``.

    ``kinds``: by default all that the input allows. ``other``: for ``wrong_language``, a file of texts in another
    language, line-aligned with the pairs or not, or, of a run, the code of another of its languages. ``teacher``: what
    ``near_miss`` finds similar captions by. Raises `ConfigError` with all that is wrong, before anything is written.
    """
    try:
        target = parse_language(language)
    except LanguageError as error:
        raise ConfigError([f"--language: {error}"]) from None
    problems = [
        f"--kinds: unknown kind {kind!r}{nearest(kind, list(KINDS))}; known: {', '.join(KINDS)}"
        for kind in kinds or ()
        if kind not in KINDS
    ]
    if not any(out.removesuffix(".gz").endswith(suffix) for suffix in WRITTEN) or out.endswith(".parquet.gz"):
        problems.append(f"--out {out}: its name has to end in {', '.join(WRITTEN)}")
    if kinds and "wrong_language" in kinds and other is None:
        problems.append("--kinds wrong_language needs --other: texts in another language")
    if problems:
        raise ConfigError(problems)
    found = read_parallel(inputs, language=target.code)
    others = _others(inputs, other, found.pairs) if other else []
    chosen = list(kinds or (kind for kind in KINDS if kind != "wrong_language" or any(others)))
    embed = None
    if "near_miss" in chosen:
        try:
            teachers = find_teacher(ScoreConfig(teacher=teacher))
        except ModelError as error:
            raise ConfigError([str(error)]) from error
        if teachers is None:
            raise ConfigError(["--kinds near_miss needs a teacher"])
        embed = teachers[0].load(Device()).embed
    try:
        noisy = plant(
            found.pairs, language=target.code, ratio=ratio, kinds=chosen, seed=seed, embed=embed, others=others
        )
    except NoiseError as error:
        raise ConfigError([str(error)]) from error
    _write(noisy, out)
    kinds_planted = Counter(kind for kind in noisy["noise_kind"].to_pylist() if kind)
    return Planted(noisy.num_rows, kinds_planted, found.rejects)


def noise_lines(planted: Planted, out: str) -> Iterator[str]:
    """Say what was planted, line by line."""
    noisy = sum(planted.kinds.values())
    yield f"{out}: {planted.rows:,} pairs, {noisy:,} of them noisy"
    for kind, rows in sorted(planted.kinds.items()):
        yield f"  {kind:<16}{rows:>8,}  {KINDS[kind].explanation}"
    if planted.rejects:
        reasons = Counter(reject.reason for reject in planted.rejects)
        said = ", ".join(f"{rows:,} {reason}" for reason, rows in reasons.most_common())
        yield f"{len(planted.rejects):,} records are no pairs: {said}; the first: {planted.rejects[0].origin}"


def _others(inputs: Sequence[str], other: str, pairs: pa.Table) -> list[str | None]:
    """Return for each pair a text in another language: that of the same source where there is one."""
    if len(inputs) == 1 and Path(inputs[0]).is_dir() and not Path(other).exists():
        try:
            language: Language = parse_language(other)
        except LanguageError as error:
            raise ConfigError([f"--other: {error}"]) from None
        table = kept_pairs(Run(inputs[0]), language.code)
        by_source = dict(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
        return [by_source.get(source) for source in pairs["source"].to_pylist()]
    path = Path(other)
    if not path.is_file():
        raise ConfigError([f"--other {other}: there is no such file"])
    with opened(path) as content:
        lines = [line.decode("utf-8", "replace").strip() or None for line in content]
    # Of files with other lines than the pairs, each pair gets one; with the same number they are taken for aligned.
    return [lines[i % len(lines)] for i in range(pairs.num_rows)] if lines else []


def _write(table: pa.Table, out: str) -> None:
    """Write ``table`` to the file ``out``, which appears when it is whole."""
    with files.written_whole(out) as sink:
        if out.endswith(".parquet"):
            pq.write_table(table, sink)
            return
        content = gzip.compress(_text(table, out), mtime=0) if out.endswith(".gz") else _text(table, out)
        sink.write(content)


def _text(table: pa.Table, out: str) -> bytes:
    rows = table.to_pylist()
    if out.removesuffix(".gz").endswith(".jsonl"):
        return b"".join(orjson.dumps(row) + b"\n" for row in rows)
    lines = [table.column_names, *(["" if cell is None else str(cell) for cell in row.values()] for row in rows)]
    return "".join("\t".join(_BREAKS.sub(" ", cell) for cell in line) + "\n" for line in lines).encode()


_BREAKS: Final = re.compile(r"[\t\n\r]")
"""What a cell of a TSV cannot hold; a pair has none, but a misread one might."""
