"""The table of contents of ``model.bin``: what is in it, and every way of its being cut short."""

import struct
from pathlib import Path

import ctranslate2
import pytest

from translate.models import MINI
from translate.weights import WeightsError, read_shapes


def text(value: str) -> bytes:
    """Write a string as CTranslate2 does."""
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


WHOLE = b"".join(
    [
        struct.pack("<I", 6),
        text("TransformerSpec"),
        struct.pack("<II", 7, 2),
        text("decoder/embeddings/weight"),
        struct.pack("<BIIBI", 2, 3, 2, 1, 6) + bytes(6),
        text("encoder/num_heads"),
        struct.pack("<BBI", 0, 1, 1) + bytes(1),
        struct.pack("<I", 1),
        text("encoder/embeddings_0/weight") + text("decoder/embeddings/weight"),
    ]
)


def test_the_bundled_model() -> None:
    """Every variable has its shape, an alias that of what it stands for."""
    shapes = read_shapes(MINI / "model.bin")
    assert len(shapes) > 196
    assert shapes["decoder/embeddings/weight"] == shapes["encoder/embeddings_0/weight"] == (9999, 256)


def test_what_stands_in_a_file(tmp_path: Path) -> None:
    """Scalars have no dimensions; what follows behind the table does not matter."""
    (tmp_path / "model.bin").write_bytes(WHOLE + b"\n")
    assert read_shapes(tmp_path / "model.bin") == {
        "decoder/embeddings/weight": (3, 2),
        "encoder/num_heads": (),
        "encoder/embeddings_0/weight": (3, 2),
    }


@pytest.mark.parametrize("kept", range(len(WHOLE)))
def test_a_file_that_was_not_copied_whole(tmp_path: Path, kept: int) -> None:
    """Wherever it breaks off, that is seen."""
    (tmp_path / "model.bin").write_bytes(WHOLE[:kept])
    with pytest.raises(WeightsError, match=r"^ends before its weights do: it was not copied whole$"):
        read_shapes(tmp_path / "model.bin")


def test_another_version(tmp_path: Path) -> None:
    """An older or newer one is left to the engine, which knows better."""
    for version in (3, 7):
        (tmp_path / "model.bin").write_bytes(struct.pack("<I", version) + WHOLE[4:])
        assert read_shapes(tmp_path / "model.bin") == {}


@pytest.mark.parametrize(
    "content", [b"version https://git-lfs.github.com/spec/v1\n", b"<!doctype html>", b"PK\x03\x04"]
)
def test_another_kind_of_file(tmp_path: Path, content: bytes) -> None:
    """A pointer of git-lfs, a page that says that there is no such file, a pickle."""
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(WeightsError, match=r"^is no model of CTranslate2's$"):
        read_shapes(tmp_path / "model.bin")


def test_the_version_of_the_day_is_read() -> None:
    """What the installed converters write is checked."""
    assert ctranslate2.specs.model_spec.CURRENT_BINARY_VERSION == 6
