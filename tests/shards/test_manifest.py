"""The manifest: its sums, its bytes, and what is no manifest."""

from dataclasses import replace

import pytest

from shards.manifest import Embeddings, Manifest, ManifestError, Shard, read_manifest

SHARDS = (
    Shard(
        "train-000000.tar",
        "train",
        samples=2,
        media=2,
        captions=10,
        pairs=17,
        bytes=20480,
        sha256="ab" * 32,
        languages={"de": 9, "fr": 8},
    ),
    Shard(
        "val-000000.tar",
        "val",
        samples=1,
        media=1,
        captions=5,
        pairs=9,
        bytes=10240,
        sha256="cd" * 32,
        languages={"de": 5, "fr": 4},
    ),
)
MANIFEST = Manifest(
    shards=SHARDS,
    captions_read=18,
    captions_rejected=3,
    pairs_made=30,
    pairs_kept=26,
    pairs_dropped=4,
    languages={
        "de": {"translations": "de-0011223344556677", "backs": None, "scores": "de-8899aabbccddeeff"},
        "fr": {"translations": "fr-0011223344556677", "backs": "fr-1", "scores": "fr-2"},
    },
)

WRITTEN = b"""{
  "shards": [
    {
      "name": "k-000000.tar",
      "split": "k",
      "samples": 1,
      "media": 1,
      "captions": 2,
      "pairs": 1,
      "bytes": 10240,
      "sha256": "00",
      "languages": {
        "de": 1
      }
    }
  ],
  "captions_read": 2,
  "captions_rejected": 0,
  "pairs_made": 2,
  "pairs_kept": 1,
  "pairs_dropped": 1,
  "languages": {
    "de": {
      "translations": "de-1",
      "backs": null,
      "scores": "de-2"
    }
  },
  "bounds": {
    "de": 0.85
  },
  "source_language": "en",
  "layout": "item",
  "source_pairs": true,
  "embeddings": {
    "teacher": "muse",
    "identity": "muse-0.2.1",
    "dim": 512,
    "prefix": "",
    "dtype": "float16"
  },
  "version": 2
}
"""
READ = Manifest(
    shards=(
        Shard(
            "k-000000.tar", "k", samples=1, media=1, captions=2, pairs=1, bytes=10240, sha256="00", languages={"de": 1}
        ),
    ),
    captions_read=2,
    captions_rejected=0,
    pairs_made=2,
    pairs_kept=1,
    pairs_dropped=1,
    languages={"de": {"translations": "de-1", "backs": None, "scores": "de-2"}},
    bounds={"de": 0.85},
    embeddings=Embeddings("muse", "muse-0.2.1", 512),
)


def test_written_out() -> None:
    """The JSON as it stands on disk, there and back."""
    assert READ.to_json() == WRITTEN
    assert read_manifest(WRITTEN) == READ
    assert READ.problems() == []


def test_round_trip() -> None:
    """What is written is what is read."""
    assert read_manifest(MANIFEST.to_json()) == MANIFEST


def test_sums_that_come_out() -> None:
    """Ten and five captions in shards and three rejected are eighteen, in two languages thirty pairs."""
    assert MANIFEST.captions_in_shards == 15
    assert MANIFEST.problems() == []


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"captions_read": 19}, ["captions read = captions in shards + captions rejected: 19 is not 18"]),
        ({"captions_rejected": 1_003}, ["captions read = captions in shards + captions rejected: 18 is not 1,018"]),
        ({"pairs_dropped": 5}, ["pairs made = pairs kept + pairs dropped: 30 is not 31"]),
        (
            {"shards": (SHARDS[0], replace(SHARDS[1], languages={"de": 5}))},
            ["pairs in shards = pairs of their languages: 26 is not 22"],
        ),
        ({"pairs_kept": 25, "pairs_dropped": 5}, ["pairs kept = pairs in shards: 25 is not 26"]),
        (
            {"pairs_made": 31, "pairs_dropped": 5},
            ["pairs made = captions in shards x languages: 31 is not 30"],
        ),
        (
            {"shards": SHARDS[:1]},
            [
                "captions read = captions in shards + captions rejected: 18 is not 13",
                "pairs kept = pairs in shards: 26 is not 17",
                "pairs made = captions in shards x languages: 30 is not 20",
            ],
        ),
    ],
)
def test_sums_that_do_not_come_out(changes: dict[str, object], problems: list[str]) -> None:
    """Each identity that does not hold is said, with both of its sides."""
    assert replace(MANIFEST, **changes).problems() == problems  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [0, 1, 50, len(WRITTEN) - 4])
def test_truncated(kept: int) -> None:
    """A manifest that breaks off is none."""
    with pytest.raises(ManifestError, match=r"^not a manifest: not JSON: "):
        read_manifest(WRITTEN[:kept])


@pytest.mark.parametrize("content", [b"[]", b"5", b"null", b'"manifest"'])
def test_other_json(content: bytes) -> None:
    """JSON of another shape is no manifest."""
    with pytest.raises(ManifestError, match=r"^not a manifest: not a JSON object$"):
        read_manifest(content)


@pytest.mark.parametrize("version", ["1", "0", '"2"', "null"])
def test_another_version(version: str) -> None:
    """A manifest of another version is refused with both versions."""
    content = WRITTEN.replace(b'"version": 2', f'"version": {version}'.encode())
    with pytest.raises(ManifestError, match=r"this captionloom reads 2$"):
        read_manifest(content)


@pytest.mark.parametrize("name", ["captions_read", "pairs_made", "languages", "version"])
def test_a_missing_field(name: str) -> None:
    """A field that is not there is named."""
    with pytest.raises(ManifestError) as refused:
        read_manifest(WRITTEN.replace(f'"{name}"'.encode(), b'"other"'))
    assert str(refused.value) == f"not a manifest: it lacks {name}"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b'"samples": 1,', b"", "shards.0.samples"),
        (b'"samples": 1', b'"samples": "1"', "shards.0.samples"),
        (b'"captions_read": 2', b'"captions_read": 2.5', "captions_read"),
        (b'"pairs_kept": 1', b'"pairs_kept": true', "pairs_kept"),
        (b'"backs": null', b'"backs": 7', "languages.de.backs"),
    ],
)
def test_a_field_of_another_type(old: bytes, new: bytes, where: str) -> None:
    """A field that holds something else is named by its place."""
    with pytest.raises(ManifestError) as refused:
        read_manifest(WRITTEN.replace(old, new))
    assert str(refused.value).startswith(f"not a manifest: {where}: ")
