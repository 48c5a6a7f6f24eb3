"""Where a record's media file is: a template over the record's fields, and a root that no path leaves."""

import os
import posixpath
import re
import stat
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from pipelines.config import ConfigError, InputConfig
from pipelines.files import is_local
from pipelines.media import Media
from pipelines.sources.record import Record, Reject, is_unicode, shown

OWN_EXTENSIONS: Final = frozenset({"json", "txt"})
"""Members that a sample has beside its media; a media file of such a name would collide with them.

An ``.npy`` does not: `shards.sample.media_suffix`.
"""

_Parts = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class MediaTemplate:
    """``photos/{key}.jpg``, taken apart: literal text and field names in turn, and the root.

    Of ``videos/{key}.{mp4,webm}`` it is the first alternative, and has the others.
    """

    parts: _Parts
    """(Literal text, the name of the field that follows it or None)."""
    names: Mapping[str, str]
    """Our name → the input's, from ``input.fields``."""
    root: str
    """Normalised; every path must lie inside."""
    others: "tuple[MediaTemplate, ...]" = ()
    """Where else the file may be, if it is not where this template says."""

    @classmethod
    def of(cls, config: InputConfig, *, known: frozenset[str] | None) -> "MediaTemplate | None":
        """Return the template of ``config``, None where there is none.

        ``known`` are the fields that the format has beside ``key``; None: whatever a record has. Raises
        `ConfigError` for anything but plain ``{name}`` fields and ``{one,other}`` alternatives, for a name that is
        not known, for alternatives on another machine, where nothing looks which of them is there, and where the
        folder that no path may leave cannot be told.
        """
        if config.media is None:
            return None
        if known is not None and not known:
            raise ConfigError([f"input.media: {config.format} input holds its media itself: leave the template out"])
        parts = _parsed(config.media, known)
        root = config.media_root
        if root is None:
            root = parts[0][0].rpartition("/")[0] + "/" if "/" in parts[0][0] else "."
        if not is_local(root) and not root.partition("://")[2].strip("/"):
            raise ConfigError([f"input.media: {config.media!r} has no fixed leading folder: give input.media_root"])
        names = {ours: theirs for ours, theirs in config.fields.items() if ours != "key"}
        variants = _variants(parts)
        if len(variants) > 1 and not is_local(root):
            raise ConfigError([f"input.media: {config.media!r}: alternatives are looked for among local files only"])
        first, *others = (cls(each, names, _normalised(root, remote=not is_local(root))) for each in variants)
        return replace(first, others=tuple(others))

    def locate(self, record: Record) -> Media | Reject:
        """Return the media of ``record`` inside the root (whether it exists is not looked at), or why not."""
        path = ""
        for literal, name in self.parts:
            path += literal
            if name is not None:
                value = record.key if name == "key" else record.fields.get(self.names.get(name, name))
                if type(value) is int:
                    value = str(value)
                if type(value) is not str or not value:
                    detail = f"no {name} for the media path" if value is None else f"{name} is {shown(value)}, no path"
                    return Reject(record.origin, "missing_field", detail, record.key, record.n)
                path += value
        return self._inside(path, record)

    def _inside(self, path: str, record: Record) -> Media | Reject:
        remote = not is_local(self.root)
        uri = _normalised(path, remote=remote)
        if not uri.startswith(self.root.rstrip("/") + "/"):
            detail = f"{shown(path)} is not inside {shown(self.root)}"
            return Reject(record.origin, "unsafe_path", detail, record.key, record.n)
        if not is_unicode(uri):
            return Reject(record.origin, "bad_encoding", f"the media path {shown(uri)}", record.key, record.n)
        ext = _extension(uri)
        if not re.fullmatch(r"[a-z0-9]{1,16}", ext) or ext in OWN_EXTENSIONS:
            detail = f"no media file has the extension {shown(ext)}: {shown(path)}"
            return Reject(record.origin, "unreadable_media", detail, record.key, record.n)
        return Media(uri, ext)


def template_names(config: InputConfig) -> set[str]:
    """Return the input's names of the fields that the media template uses, without ``key``."""
    if config.media is None:
        return set()
    named = {name for variant in _variants(_parsed(config.media, None)) for _, name in variant}
    return {config.fields.get(name, name) for name in named if name not in (None, "key")}


def file_problem(path: str) -> tuple[str, str] | None:
    """Return (reason, detail) where the local file ``path`` cannot be read as media; None where it can."""
    try:
        found = os.stat(path)  # noqa: PTH116  a string in, one call, once for each media file
    except (FileNotFoundError, NotADirectoryError):
        return "missing_media", shown(path)
    except (OSError, ValueError) as error:
        return "unreadable_media", f"{getattr(error, 'strerror', None) or error}: {shown(path)}"
    if not stat.S_ISREG(found.st_mode):
        return "unreadable_media", f"not a file: {shown(path)}"
    if not found.st_size:
        return "unreadable_media", f"empty: {shown(path)}"
    if not os.access(path, os.R_OK):
        return "unreadable_media", f"not readable: {shown(path)}"
    return None


def _parsed(template: str, known: frozenset[str] | None) -> _Parts:
    fields = (
        "any field of the record" if known is None else ", ".join(f"{{{name}}}" for name in sorted(known | {"key"}))
    )
    advice = f"write plain {{name}} fields or {{one,other}} alternatives; it may use {fields}"
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError([f"input.media: {template!r}: {error}: {advice}"]) from None
    parts: list[tuple[str, str | None]] = []
    for literal, name, specification, conversion in parsed:
        if name is not None:
            if not name or specification or conversion or re.search(r"[.\[\]]", name):
                raise ConfigError([f"input.media: {template!r}: {advice}"])
            if "," not in name and known is not None and name not in known | {"key"}:
                raise ConfigError([f"input.media: {template!r}: there is no {{{name}}}: {advice}"])
        parts.append((literal, name))
    if not parts:
        raise ConfigError([f"input.media: {template!r} is empty: {advice}"])
    return tuple(parts)


def _variants(parts: _Parts) -> list[_Parts]:
    """Return ``parts`` with every choice of alternatives written out as text, the first of each first."""
    choices: list[list[tuple[str, str | None]]] = [
        [(literal + choice, None) for choice in name.split(",")] if name and "," in name else [(literal, name)]
        for literal, name in parts
    ]
    return list(product(*choices))


def _normalised(path: str, *, remote: bool) -> str:
    """Return ``path`` without ``.``, ``..`` and doubled slashes; a local one absolute."""
    if not remote:
        return os.path.abspath(path)  # noqa: PTH100  lexical: links are the user's own business
    scheme, separator, rest = path.partition("://")
    return f"{scheme}{separator}{posixpath.normpath(rest)}" if separator else posixpath.normpath(path)


def _extension(path: str) -> str:
    """Return the lower-case suffix of ``path`` without its dot; empty where it has none."""
    stem, _, suffix = path.rpartition("/")[2].rpartition(".")
    return suffix.lower() if stem else ""
