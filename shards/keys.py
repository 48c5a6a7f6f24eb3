"""Keys in file names: WebDataset cuts a name at its first dot, so a key is escaped, reversibly."""

import hashlib
import re
from typing import Final

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPE: Final = re.compile(rb"%([0-9A-F]{2})")


def escape_key(key: str) -> str:
    """Return ``key`` with every UTF-8 byte outside ``[A-Za-z0-9_-]`` as ``%XX`` (RFC 3986's escape).

    Different keys give different names, none of which holds a dot, a slash or a space.
    """
    return _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], key.encode()).decode("ascii")


def unescape_key(name: str) -> str:
    """Return the key that `escape_key` made ``name`` of."""
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), name.encode("ascii")).decode()


def key_hash(key: str) -> int:
    """Return the stable 64-bit hash of ``key`` that chooses its shard."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def shard_name(split: str, index: int) -> str:
    """Return the name of a shard without its extension: ``train-000000``; the split is escaped like a key."""
    return f"{escape_key(split)}-{index:06d}"
