"""The table of contents of ``model.bin``: shows a file that was not copied whole, or is none, without loading it."""

import struct
from pathlib import Path
from typing import BinaryIO, Final

_READABLE: Final = range(4, 7)
"""Versions of the format in which every variable says its size in bytes."""

_POSSIBLE: Final = range(1, 1000)
"""Versions that there may be; where a file of another kind begins, there is a far larger number."""


class WeightsError(ValueError):
    """A file that is no ``model.bin``, or not all of one."""


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the variables in ``file`` by name; none for a version that only the engine can read.

    Raises `WeightsError` where the file does not hold what its table says.
    """
    with file.open("rb") as content:
        version = _number(content, "I")
        if version not in _POSSIBLE:
            raise WeightsError("is no model of CTranslate2's")
        if version not in _READABLE:
            return {}
        size = file.stat().st_size
        _text(content)  # the name of the architecture
        _number(content, "I")  # and its revision
        shapes, aliases = {}, {}
        for _ in range(_number(content, "I")):
            name = _text(content)
            shapes[name] = tuple(_number(content, "I") for _ in range(_number(content, "B")))
            _number(content, "B")  # the type of its numbers
            if content.seek(_number(content, "I"), 1) > size:
                raise WeightsError(_CUT)
        for _ in range(_number(content, "I")):
            alias = _text(content)
            aliases[alias] = _text(content)
    return shapes | {alias: shapes[name] for alias, name in aliases.items() if name in shapes}


_CUT: Final = "ends before its weights do: it was not copied whole"


def _number(content: BinaryIO, kind: str) -> int:
    size = struct.calcsize(f"<{kind}")
    found = content.read(size)
    if len(found) < size:
        raise WeightsError(_CUT)
    number: int = struct.unpack(f"<{kind}", found)[0]
    return number


def _text(content: BinaryIO) -> str:
    length = _number(content, "H")
    found = content.read(length)
    if len(found) < length:
        raise WeightsError(_CUT)
    return found.rstrip(b"\0").decode("utf-8", "replace")
