"""Media bytes, fetched where a shard is packed and nowhere earlier."""

import os
import stat
from dataclasses import dataclass, field
from typing import BinaryIO, Final, NamedTuple

from pipelines import files

_OPEN_TARS: Final = 8


class MediaError(ValueError):
    """A media item that cannot be had. ``reason`` is one of `pipelines.captions.REJECT_REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        return MediaError, (self.reason, self.detail)


class Media(NamedTuple):
    """Where a media item's bytes are: a file of its own, or ``size`` bytes at ``offset`` of a tar (see `MEDIA`)."""

    uri: str
    ext: str
    offset: int | None = None
    size: int | None = None

    def state(self) -> tuple[int, int] | None:
        """Return (bytes, modification time in ns) of a local file; None where that cannot be had cheaply."""
        if not files.is_local(self.uri):
            return None
        try:
            found = os.stat(self.uri)  # noqa: PTH116
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns


@dataclass
class MediaReader:
    """Reads media; keeps the last few tars open, since a shard takes from the same ones again and again."""

    _tars: dict[str, BinaryIO] = field(default_factory=dict)

    def read(self, media: Media) -> bytes:
        """Return the bytes of ``media``; raises `MediaError` where they are missing, empty or cut short."""
        try:
            if media.offset is None or media.size is None:
                return self._whole(media.uri)
            tar = self._tar(media.uri)
            tar.seek(media.offset)
            content = tar.read(media.size)
        except FileNotFoundError:
            raise MediaError("missing_media", media.uri) from None
        except OSError as error:
            raise MediaError("unreadable_media", f"{media.uri}: {error.strerror or error}") from None
        if not media.size:
            raise MediaError("unreadable_media", f"{media.uri}: empty member at {media.offset}")
        if len(content) < media.size:
            there = f"{len(content)} of {media.size} bytes at {media.offset}"
            raise MediaError("truncated_tar", f"{media.uri}: {there}")
        return content

    def close(self) -> None:
        """Close the tars that are open."""
        while self._tars:
            self._tars.popitem()[1].close()

    def _whole(self, uri: str) -> bytes:
        # A named pipe or a device would block for ever or never end.
        if files.is_local(uri) and not stat.S_ISREG(os.stat(uri).st_mode):  # noqa: PTH116
            raise MediaError("unreadable_media", f"{uri}: not a regular file")
        content = files.read_bytes(uri)
        if not content:
            raise MediaError("unreadable_media", f"{uri}: empty")
        return content

    def _tar(self, uri: str) -> BinaryIO:
        if uri not in self._tars:
            while len(self._tars) >= _OPEN_TARS:
                self._tars.pop(next(iter(self._tars))).close()
            self._tars[uri] = files.open_raw(uri)
        return self._tars[uri]
