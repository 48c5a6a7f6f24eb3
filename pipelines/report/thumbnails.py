"""Small pictures of sampled media, from the shards that hold them."""

import base64
import io
import tarfile
import warnings
from collections.abc import Mapping, Set
from typing import Final

from PIL import Image, ImageOps

from pipelines import files
from shards.keys import escape_key

SIZE: Final = 160
"""Pixels at most, each way."""
_QUALITY: Final = 70
_MAX_BYTES: Final = 64 << 20
_NO_PICTURE: Final = frozenset({"json", "txt", "npy", "features.npy"})


def read_thumbnails(wanted: Mapping[str, Set[str]], folder: str, *, layout: str = "item") -> dict[str, str]:
    """Return ``data:`` URIs of JPEG pictures by key, for the ``wanted`` keys of each shard in ``folder``.

    A key whose shard or media is missing, or whose media is no picture that can be read, is left out.
    """
    thumbnails: dict[str, str] = {}
    for shard, keys in sorted(wanted.items()):
        path = files.join(folder, f"{shard}.tar")
        if files.exists(path):
            thumbnails |= _from_shard(path, {escape_key(key): key for key in keys}, pairs=layout == "pair")
    return thumbnails


def _from_shard(path: str, names: Mapping[str, str], *, pairs: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with files.open_raw(path) as source, tarfile.open(fileobj=source, mode="r:") as tar:
            for member in tar:
                name, _, extension = member.name.partition(".")
                if pairs:
                    name = name.rsplit("-", 2)[0]
                if (
                    name in names
                    and names[name] not in found
                    and extension not in _NO_PICTURE
                    and 0 < member.size <= _MAX_BYTES
                ):
                    content = tar.extractfile(member)
                    picture = _thumbnail(content.read()) if content else None
                    if picture is not None:
                        found[names[name]] = picture
                if len(found) == len(names):
                    break
    except (tarfile.TarError, OSError):
        # Whether the shards are whole is for verify to say; the report then does with the pictures it found.
        return found
    return found


def _thumbnail(content: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata and large pictures
            with Image.open(io.BytesIO(content)) as image:
                image.draft("RGB", (2 * SIZE, 2 * SIZE))  # lets JPEG decode at a fraction of its size
                picture = ImageOps.exif_transpose(image).convert("RGB")
        picture.thumbnail((SIZE, SIZE))
        sink = io.BytesIO()
        picture.save(sink, "JPEG", quality=_QUALITY)
    except Exception:  # noqa: BLE001  Pillow's decoders raise all kinds of errors on bytes that are no picture
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(sink.getvalue()).decode()}"
