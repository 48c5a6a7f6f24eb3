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


def pair_name(key: str, n: int, language: str) -> str:
    """Return the name of the sample of one caption in one language: ``KEY-n-de``, or ``KEY-n-zh_Hant`` for zh-Hant.

    The key is escaped, ``n`` a whole number from 0, and a BCP-47 code has its hyphens as underscores: so what stands
    behind the last two hyphens is the number and the language, and no two captions have one name, whatever their keys.
    """
    return f"{escape_key(key)}-{n}-{language.replace('-', '_')}"


def split_pair_name(name: str) -> tuple[str, int, str]:
    """Return the key, the caption's index and the language that `pair_name` made ``name`` of."""
    key, n, language = name.rsplit("-", 2)
    return unescape_key(key), int(n), language.replace("_", "-")


def key_hash(key: str) -> int:
    """Return the stable 64-bit hash of ``key`` that chooses its shard."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def shard_name(split: str, index: int) -> str:
    """Return the name of a shard without its extension: ``train-000000``; the split is escaped like a key."""
    return f"{escape_key(split)}-{index:06d}"
