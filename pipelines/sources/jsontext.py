"""JSON that may be damaged: objects on a line, and documents of a whole file."""

import json
from typing import Any, NoReturn

import orjson

from pipelines.files import open_decompressed
from pipelines.sources.record import Reject, shown


def parse_object(content: bytes, origin: str) -> dict[str, object] | Reject:
    """Return the JSON object in ``content``, or the reject that says why there is none.

    ``bad_encoding`` where the bytes, or the escapes in a string (a lone surrogate), are not Unicode text.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return _explain(content, origin, error)
    if type(value) is not dict:
        return Reject(origin, "malformed_record", f"not a JSON object: {shown(value)}")
    return value


def _explain(content: bytes, origin: str, error: orjson.JSONDecodeError) -> Reject:
    try:
        text = content.decode()
    except UnicodeDecodeError as wrong:
        return Reject(origin, "bad_encoding", f"{wrong.reason} at byte {wrong.start}: {shown(content)}")
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Reject(origin, "malformed_record", f"{error}: {shown(text)}")
    # What Python takes and orjson does not is an escaped half of a surrogate pair.
    return Reject(origin, "bad_encoding", f"{error}: {shown(text)}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _load(path: str) -> object:
    """Return the JSON document in the file ``path``, taken into memory as a whole.

    Bytes that are not UTF-8 and lone surrogates stay in the strings as surrogates, for each to be rejected
    on its own. Raises `ValueError` where it is not JSON, and `streams.BROKEN_STREAM` for a damaged ``.gz``.
    """
    with open_decompressed(path) as stream:
        content = stream.read()
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content.decode("utf-8-sig", "surrogateescape"))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def document_or_reject(path: str) -> object:
    """Return the JSON document in the file ``path``, or the `Reject` of the whole file that says why there is none."""
    try:
        return _load(path)
    except ValueError as error:
        return Reject(path, "malformed_record", f"not a JSON document: {error}")


def lists_or_reject(path: str, *names: str) -> list[list[Any]] | Reject:
    """Return the lists called ``names`` of the JSON object in the file ``path``, or the reject of the whole file."""
    document = document_or_reject(path)
    if isinstance(document, Reject):
        return document
    values = [document.get(name) for name in names] if isinstance(document, dict) else []
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) < len(names):
        said = f"the list{'s' if len(names) > 1 else ''} {' and '.join(map(repr, names))}"
        return Reject(path, "malformed_record", f"not an object with {said}")
    return lists
