"""Records become tables: checked and normalised a column at a time, each in captions or in rejects."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, compress, islice
from operator import attrgetter
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.captions import CAPTIONS, MEDIA, REJECTS, normalise, text_ids
from pipelines.config import InputConfig
from pipelines.files import is_local
from pipelines.media import Media
from pipelines.sources.media import MediaTemplate, file_problem
from pipelines.sources.record import Record, Reject, Split, is_unicode, shown
from pipelines.sources.registry import open_source
from pipelines.sources.streams import BROKEN_STREAM

TOKEN: Final = r"[\p{L}\p{N}\p{M}]{1,16}|[^\s\p{L}\p{N}\p{M}]"  # noqa: S105
"""What ``input.max_tokens`` counts: up to 16 letters, digits and marks in a row, or one other sign."""

KEY_CONTROLS: Final = r"[\x00-\x1F\x7F-\x9F]"
TEXT_CONTROLS: Final = r"[\x00-\x08\x0E-\x1F\x7F-\x9F]"
"""Without tab, line feed, carriage return, vertical tab and form feed, which collapse with white space."""

LONGEST_KEY: Final = 1024
"""Bytes."""

SPLIT_NAME: Final = r"^[0-9A-Za-z_][0-9A-Za-z_.-]{0,63}$"
"""A split names shards, so it must be a plain file name."""

LONGEST_DETAIL: Final = 200
"""Characters."""


def read_tables(config: InputConfig, split: Split, *, rows: int = 20_000) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield (captions, rejects) of ``split``, about ``rows`` records at a time, in the order of the file.

    The tables have the schemas `pipelines.captions.CAPTIONS` and `REJECTS`; every caption read is in exactly
    one of them. Raises `ConfigError` for settings that do not go together and `OSError` where a file cannot
    be read; whatever is wrong with its content is a reject.
    """
    source = open_source(config)
    template = MediaTemplate.of(config, known=source.template_fields)
    items = _until_broken(split.path, source.records(split))
    while chunk := list(islice(items, rows)):
        yield _tables(chunk, config, template)


def _until_broken(path: str, items: Iterator[Record | Reject]) -> Iterator[Record | Reject]:
    try:
        yield from items
    except BROKEN_STREAM as error:
        yield Reject(path, "malformed_record", f"the compressed stream breaks off: {error}")


def _tables(
    chunk: list[Record | Reject], config: InputConfig, template: MediaTemplate | None
) -> tuple[pa.Table, pa.Table]:
    rejects = [item for item in chunk if type(item) is Reject]
    records = [item for item in chunk if type(item) is Record]
    try:
        keys, raw, splits = _text_columns(records)
    except UnicodeEncodeError:
        records, undecodable = _by_encoding(records)
        rejects += undecodable
        keys, raw, splits = _text_columns(records)
    texts = normalise(raw)
    tokens = _token_counts(texts, config.max_tokens)
    reasons = _reasons(keys, raw, texts, splits, pc.greater(tokens, config.max_tokens)).to_pylist()
    locate = _locator(template)
    outcomes = [
        locate(record)
        if reason is None
        else _refused(record, reason, f"{tokens[row]} tokens, at most {config.max_tokens}")
        for row, (record, reason) in enumerate(zip(records, reasons, strict=True))
    ]
    refused = [outcome for outcome in outcomes if type(outcome) is Reject]
    if refused:
        rejects += refused
        good = [type(outcome) is not Reject for outcome in outcomes]
        records, outcomes = list(compress(records, good)), list(compress(outcomes, good))
        keys, texts, splits = (column.filter(pa.array(good)) for column in (keys, texts, splits))
    columns = {
        "key": keys,
        "n": pa.array([record.n for record in records], pa.int32()),
        "text_id": text_ids(texts),
        "text": texts,
        "media": _media_column([outcome for outcome in outcomes if not isinstance(outcome, Reject)]),
        "split": splits,
        "origin": _printable([record.origin for record in records]),
    }
    return pa.table(columns, schema=CAPTIONS), _reject_table(rejects)


def _text_columns(records: list[Record]) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return keys, texts as read and splits; raises `UnicodeEncodeError` where one holds a lone surrogate."""
    return (
        pa.array([record.key for record in records], pa.string()),
        pa.array([record.text for record in records], pa.string()),
        pa.array([record.split for record in records], pa.string()),
    )


def _by_encoding(records: list[Record]) -> tuple[list[Record], list[Reject]]:
    """Part ``records`` into those that are Unicode text throughout and the rejects for the others."""
    good, rejects = [], []
    for record in records:
        if is_unicode(record.key + record.text + record.split):
            good.append(record)
        else:
            detail = f"not UTF-8: {shown(record.text if is_unicode(record.key) else record.key)}"
            rejects.append(Reject(record.origin, "bad_encoding", detail, record.key, record.n))
    return good, rejects


def _reasons(keys: pa.Array, raw: pa.Array, texts: pa.Array, splits: pa.Array, too_long: pa.Array) -> pa.Array:
    """Return for each record the first reason to reject it, null where there is none."""
    key_bytes = pc.binary_length(keys)
    conditions = {
        "bad_key": pc.or_(pc.equal(key_bytes, 0), pc.greater(key_bytes, LONGEST_KEY)),
        "control_characters": pc.or_(
            pc.match_substring_regex(keys, KEY_CONTROLS), pc.match_substring_regex(raw, TEXT_CONTROLS)
        ),
        "missing_field": pc.invert(pc.match_substring_regex(splits, SPLIT_NAME)),
        "empty_caption": pc.equal(pc.binary_length(texts), 0),
        "too_long": too_long,
    }
    struct = pc.make_struct(*conditions.values(), field_names=list(conditions))
    return pc.case_when(struct, *(pa.scalar(reason, pa.string()) for reason in conditions))


def _token_counts(texts: pa.Array, max_tokens: int) -> pa.Array:
    """Return the tokens of each text; where there cannot be more than ``max_tokens``, an upper bound of them.

    Counting costs more than everything else here, and a text has at most as many tokens as characters.
    """
    bound = pc.subtract(pc.utf8_length(texts), pc.count_substring(texts, " "))
    suspects = pc.greater(bound, max_tokens)
    return pc.replace_with_mask(bound, suspects, pc.count_substring_regex(texts.filter(suspects), TOKEN))


def _refused(record: Record, reason: str, length: str) -> Reject:
    """Return the reject of a record that `_reasons` gave ``reason``; ``length`` says how long it is."""
    if reason == "bad_key":
        detail = f"{len(record.key.encode()):,} bytes, not 1 to {LONGEST_KEY:,}: {shown(record.key)}"
    elif reason == "control_characters":
        in_key = re.search(KEY_CONTROLS, record.key)
        detail = f"in the key {shown(record.key)}" if in_key else shown(record.text)
    elif reason == "missing_field":
        detail = f"split is {shown(record.split)}, not a plain file name"
    elif reason == "empty_caption":
        detail = shown(record.text)
    else:
        detail = f"{length}: {shown(record.text)}"
    return Reject(record.origin, reason, detail, record.key, record.n)


def _locator(template: MediaTemplate | None) -> Callable[[Record], Media | Reject | None]:
    """Return what finds the media of a record; looks at each local file once."""
    if template is None:
        return attrgetter("media")
    problem = functools.cache(file_problem if is_local(template.root) else lambda _: None)

    def locate(record: Record) -> Media | Reject:
        media = template.locate(record)
        if isinstance(media, Reject):
            return media
        problems = []
        for each in chain([media], (other.locate(record) for other in template.others)):
            if isinstance(each, Reject):
                continue
            found = problem(each.uri)
            if found is None:
                return each
            problems.append(found)
        # A file that is there and cannot be read says more than those that are not there.
        worst = next((found for found in problems if found[0] != "missing_media"), None)
        reason, detail = worst or ("missing_media", ", ".join(detail for _, detail in problems))
        return Reject(record.origin, reason, detail, record.key, record.n)

    return locate


def _media_column(media: list[Media | None]) -> pa.Array:
    """Return ``media`` as an array of `MEDIA`."""
    if not any(media):
        return pa.nulls(len(media), MEDIA)
    columns = [
        pa.array([None if item is None else getattr(item, field.name) for item in media], field.type) for field in MEDIA
    ]
    return pa.StructArray.from_arrays(columns, fields=list(MEDIA), mask=pa.array([item is None for item in media]))


def _reject_table(rejects: list[Reject]) -> pa.Table:
    """Return ``rejects`` as a table; a key that cannot be one, or would not print, is null there."""
    columns = {
        "origin": _printable([reject.origin for reject in rejects]),
        "reason": pa.array([reject.reason for reject in rejects], pa.string()),
        "detail": _printable([reject.detail[:LONGEST_DETAIL] for reject in rejects]),
        "key": pa.array([reject.key if _is_key(reject.key) else None for reject in rejects], pa.string()),
        "n": pa.array([reject.n for reject in rejects], pa.int32()),
        "evaluation_set": pa.nulls(len(rejects), pa.string()),
        "overlap": pa.nulls(len(rejects), pa.string()),
    }
    return pa.table(columns, schema=REJECTS)


def _is_key(key: str | None) -> bool:
    if not key or not is_unicode(key) or len(key.encode()) > LONGEST_KEY:
        return False
    return re.search(KEY_CONTROLS, key) is None


def _printable(values: Sequence[str]) -> pa.Array:
    r"""Return ``values`` as strings: lone surrogates spelled ``\udc80``, control characters as ``\ufffd``."""
    try:
        strings = pa.array(values, pa.string())
    except UnicodeEncodeError:
        strings = pa.array([value.encode("utf-8", "backslashreplace").decode() for value in values], pa.string())
    return pc.replace_substring_regex(strings, KEY_CONTROLS, "\ufffd")
