"""Verify: a good run passes, and whatever is spoilt is named."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.run import Run
from pipelines.runner import RunFailed
from pipelines.verify import verify

Files = dict[str, bytes]
Described = dict[str, Any]


def problems(run: Path) -> list[str]:
    """Return what is wrong with ``run``."""
    return verify(Run(str(run)))[0]


def edit_manifest(run: Path, edit: Callable[[Described], None]) -> None:
    """Change the manifest, which then is as readable as before."""
    path = run / "shards" / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def shard_of(run: Path, key: str) -> str:
    """Return the name, without extension, of the shard that holds ``key``."""
    for path in sorted((run / "pairs").iterdir()):
        if key in pq.read_table(path)["key"].to_pylist():
            return path.stem
    raise KeyError(key)


def seal(run: Path, shard: str) -> None:
    """Put the size and checksum that a tar has now into the manifest."""
    content = (run / "shards" / f"{shard}.tar").read_bytes()

    def edit(manifest: Described) -> None:
        (entry,) = [entry for entry in manifest["shards"] if entry["name"] == f"{shard}.tar"]
        entry["bytes"], entry["sha256"] = len(content), hashlib.sha256(content).hexdigest()

    edit_manifest(run, edit)


def read_tar(run: Path, shard: str) -> list[tuple[str, bytes]]:
    """Return the members of a shard."""
    with tarfile.open(run / "shards" / f"{shard}.tar") as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def write_tar(run: Path, shard: str, members: list[tuple[str, bytes]]) -> None:
    """Write a shard of ``members`` and make the manifest believe in it."""
    with tarfile.open(run / "shards" / f"{shard}.tar", "w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    seal(run, shard)


def edit_sample(run: Path, key: str, edit: Callable[[Described], None]) -> str:
    """Change the JSON of one sample, with checksum and all; return its shard."""
    shard = shard_of(run, key)
    members = read_tar(run, shard)
    for i, (name, content) in enumerate(members):
        described = json.loads(content) if name.endswith(".json") else {}
        if described.get("key") == key:
            edit(described)
            members[i] = name, json.dumps(described).encode()
    write_tar(run, shard, members)
    return shard


def edit_pairs(run: Path, shard: str, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Change the pairs of one shard."""
    path = run / "pairs" / f"{shard}.parquet"
    pq.write_table(edit(pq.read_table(path)), path)


def replaced(table: pa.Table, column: str, values: list[object]) -> pa.Table:
    """Return ``table`` with the first values of ``column`` replaced."""
    rest = table[column].to_pylist()[len(values) :]
    at = table.column_names.index(column)
    return table.set_column(at, table.schema.field(at), pa.array([*values, *rest], table.schema.field(at).type))


def test_a_good_run(built_run: Path) -> None:
    """Nothing is wrong with what was just built, and the counts are those of the input."""
    found, counts = verify(Run(str(built_run)))
    assert found == []
    assert counts.startswith("4 shards, 6 samples, 13 captions, ")
    assert counts.endswith(" of 26, 2 rejects")


def test_a_flipped_bit(run_copy: Path) -> None:
    """One bit of a picture is seen by the checksum."""
    path = run_copy / "shards" / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[600] ^= 1
    path.write_bytes(content)
    (problem,) = problems(run_copy)
    assert problem.startswith(
        f"train-000000.tar: SHA-256 is {hashlib.sha256(content).hexdigest()}, the manifest promises "
    )


def test_a_broken_header(run_copy: Path) -> None:
    """A tar that cannot be read through is said to be so, with what is missing."""
    path = run_copy / "shards" / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[150] ^= 1  # the checksum of the first header
    path.write_bytes(content)
    found = problems(run_copy)
    assert any(problem.startswith("train-000000.tar: SHA-256 is ") for problem in found)
    assert any(problem.startswith("train-000000.tar: 0 samples, the manifest promises ") for problem in found)


def test_a_truncated_tar(run_copy: Path) -> None:
    """Half a tar has fewer bytes and fewer samples."""
    path = run_copy / "shards" / "train-000000.tar"
    content = path.read_bytes()
    path.write_bytes(content[:1500])
    found = problems(run_copy)
    assert f"train-000000.tar: 1,500 bytes, the manifest promises {len(content):,}" in found
    assert any(problem.startswith("train-000000.tar: webdataset cannot read it: ") for problem in found)


def test_a_missing_tar(run_copy: Path) -> None:
    """A shard that is gone is named."""
    (run_copy / "shards" / "val-000000.tar").unlink()
    assert problems(run_copy)[0] == "val-000000.tar: the file is missing"


def test_a_stray_tar(run_copy: Path) -> None:
    """A tar that the manifest does not know would be trained on."""
    (run_copy / "shards" / "train-000009.tar").write_bytes(b"")
    assert problems(run_copy) == ["shards/train-000009.tar is not in the manifest"]


def test_stray_pairs(run_copy: Path) -> None:
    """So would pairs of no shard."""
    pairs = run_copy / "pairs"
    (pairs / "other.parquet").write_bytes((pairs / "val-000000.parquet").read_bytes())
    assert problems(run_copy) == ["pairs/other.parquet is not in the manifest"]


def test_an_unfinished_file_is_no_stray(run_copy: Path) -> None:
    """What a killed process left under a temporary name is nobody's data."""
    (run_copy / "shards" / ".tmp-1-train-000000.tar").write_bytes(b"half")
    assert problems(run_copy) == []


def test_missing_pairs(run_copy: Path) -> None:
    """A shard's file in pairs/ is gone."""
    (run_copy / "pairs" / "val-000000.parquet").unlink()
    assert problems(run_copy) == [
        "val-000000.tar: its file in pairs/ is missing",
        "pairs/ holds 22 rows, the manifest promises 26",
    ]


@pytest.mark.parametrize("kept", [0, 100])
def test_truncated_pairs(run_copy: Path, kept: int) -> None:
    """A Parquet file that breaks off is named, and does not end the check."""
    path = run_copy / "pairs" / "val-000000.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    found = problems(run_copy)
    assert found[0].startswith("val-000000.tar: its file in pairs/ cannot be read: ")
    assert found[1:] == ["pairs/ holds 22 rows, the manifest promises 26"]


def test_pairs_without_a_column(run_copy: Path) -> None:
    """A Parquet file of other columns is not pairs."""
    edit_pairs(run_copy, "val-000000", lambda pairs: pairs.drop_columns("keep"))
    assert problems(run_copy)[0].startswith("val-000000.tar: its file in pairs/ cannot be read: ")


def test_a_key_twice_in_one_tar(run_copy: Path) -> None:
    """Two samples with one key break readers."""
    shard = shard_of(run_copy, "boat")
    write_tar(run_copy, shard, read_tar(run_copy, shard) * 2)
    found = problems(run_copy)
    assert any("cannot read it" in problem or "is there twice" in problem for problem in found)


def test_a_key_twice_in_one_tar_apart(run_copy: Path) -> None:
    """They are seen where others stand between them, too."""
    shard = shard_of(run_copy, "dog.1/a b.é")
    members = read_tar(run_copy, shard)
    write_tar(run_copy, shard, [*members, *members])
    assert f"{shard}.tar: key 'dog.1/a b.é' is there twice" in problems(run_copy)


def test_a_key_in_two_tars(run_copy: Path) -> None:
    """The same sample in two shards is seen twice an epoch."""
    first, second = shard_of(run_copy, "dog.1/a b.é"), shard_of(run_copy, "boat")
    write_tar(run_copy, second, [*read_tar(run_copy, second), *read_tar(run_copy, first)])
    assert f"{second}.tar: key 'dog.1/a b.é' is in {first}.tar too" in problems(run_copy)


def test_a_removed_picture(run_copy: Path) -> None:
    """A sample without its media is missed, though the checksum is right."""
    shard = shard_of(run_copy, "boat")
    write_tar(run_copy, shard, [member for member in read_tar(run_copy, shard) if not member[0].endswith(".jpg")])
    assert [problem.split(" media files")[1] for problem in problems(run_copy)] == [", the manifest promises 1"]


def test_a_removed_translation(run_copy: Path) -> None:
    """A kept pair that is not in its shard is missed, though the checksum is right."""

    def edit(described: Described) -> None:
        del described["captions"][1]["translations"]["de"]

    shard = edit_sample(run_copy, "dog.1/a b.é", edit)
    found = problems(run_copy)
    assert found[0].startswith(f"{shard}.tar: ")
    assert found[0].split(": ")[1].split(" pairs, the manifest promises ")[0].isdecimal()
    assert found[1:] == [f"{shard}.tar: de of caption 1 of 'dog.1/a b.é' is kept in pairs/, but not in the tar"]


def test_a_translation_that_was_dropped(run_copy: Path) -> None:
    """A pair that the verdict dropped, or nobody made, has no place in a shard."""

    def edit(described: Described) -> None:
        described["captions"][0]["translations"]["fr"] = {"text": "Un chien.", "weight": 1.0, "scores": {}}

    shard = edit_sample(run_copy, "dog.1/a b.é", edit)
    assert f"{shard}.tar: fr of caption 0 of 'dog.1/a b.é' is in the tar, but not kept in pairs/" in problems(run_copy)


def test_another_translation(run_copy: Path) -> None:
    """A translation must be the one that was judged."""

    def edit(described: Described) -> None:
        described["captions"][1]["translations"]["de"]["text"] = "Eine Katze."

    shard = edit_sample(run_copy, "dog.1/a b.é", edit)
    assert problems(run_copy) == [f"{shard}.tar: de of caption 1 of 'dog.1/a b.é' differs between the tar and pairs/"]


def test_a_removed_caption(run_copy: Path) -> None:
    """A caption that is gone is missed by its number, and its pairs by name."""
    shard = edit_sample(run_copy, "dog.1/a b.é", lambda described: described["captions"].pop())
    found = problems(run_copy)
    assert any(" captions, the manifest promises " in problem for problem in found)
    assert f"{shard}.tar: de of caption 2 of 'dog.1/a b.é' is kept in pairs/, but not in the tar" in found


def test_another_split(run_copy: Path) -> None:
    """A sample is of its shard's split."""
    shard = edit_sample(run_copy, "boat", lambda described: described.update(split="test"))
    assert problems(run_copy) == [f"{shard}.tar: sample boat is of split 'test', the shard of 'val'"]


def test_another_key(run_copy: Path) -> None:
    """A sample's key is that of its files."""
    shard = edit_sample(run_copy, "boat", lambda described: described.update(key="ship"))
    assert problems(run_copy)[0] == f"{shard}.tar: sample boat says that its key is 'ship'"


@pytest.mark.parametrize(
    "edit",
    [
        lambda described: described.pop("captions"),
        lambda described: described.update(captions=[]),
        lambda described: described.update(captions=[5]),
        lambda described: described["captions"][0].pop("n"),
        lambda described: described["captions"][0].update(n="first"),
        lambda described: described["captions"][0].update(n=None),
        lambda described: described.update(key=["boat"]),
        lambda described: described.update(key=None),
        lambda described: described["captions"][0].update(translations=[]),
    ],
)
def test_json_of_another_shape(run_copy: Path, edit: Callable[[Described], None]) -> None:
    """A sample that is not laid out as promised is named, and does not end the check."""
    shard = edit_sample(run_copy, "boat", edit)
    assert any(problem.startswith(f"{shard}.tar: sample boat is not readable: ") for problem in problems(run_copy))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_json_that_is_none(run_copy: Path, content: bytes) -> None:
    """A sample whose JSON is broken is named."""
    members = [(name, content if name == "boat.json" else held) for name, held in read_tar(run_copy, "val-000000")]
    write_tar(run_copy, "val-000000", members)
    assert any(problem.startswith("val-000000.tar: sample boat is not readable: ") for problem in problems(run_copy))


def test_a_sample_without_json(run_copy: Path) -> None:
    """A picture alone is no sample."""
    members = [member for member in read_tar(run_copy, "val-000000") if not member[0].endswith(".json")]
    write_tar(run_copy, "val-000000", members)
    assert "val-000000.tar: sample boat is not readable: KeyError('json')" in problems(run_copy)


def test_another_text(run_copy: Path) -> None:
    """The .txt is the first caption."""
    members = [
        (name, b"A ship." if name == "boat.txt" else content) for name, content in read_tar(run_copy, "val-000000")
    ]
    write_tar(run_copy, "val-000000", members)
    assert problems(run_copy) == ["val-000000.tar: sample boat: .txt is not the first caption"]


def test_a_pair_kept_with_a_reason(run_copy: Path) -> None:
    """Keep and reasons say the same."""
    edit_pairs(run_copy, "val-000000", lambda pairs: replaced(pairs, "reasons", [["empty"]]))
    assert problems(run_copy) == [
        "val-000000.tar: pairs/ has pairs that are kept with a reason against it, or dropped without one"
    ]


@pytest.mark.parametrize(("column", "value"), [("keep", None), ("reasons", None)])
def test_a_verdict_that_is_none(run_copy: Path, column: str, value: None) -> None:
    """A pair without a verdict is neither kept nor dropped."""
    edit_pairs(run_copy, "val-000000", lambda pairs: replaced(pairs, column, [value]))
    assert (
        "val-000000.tar: pairs/ has pairs that are kept with a reason against it, or dropped without one"
        in problems(run_copy)
    )


@pytest.mark.parametrize("weight", [-0.1, 1.5, float("nan"), None])
def test_a_weight_that_is_none(run_copy: Path, weight: float | None) -> None:
    """A weight is between 0 and 1."""
    edit_pairs(run_copy, "val-000000", lambda pairs: replaced(pairs, "weight", [weight]))
    assert problems(run_copy) == ["val-000000.tar: pairs/ has weights outside [0, 1]"]


def test_a_pair_twice(run_copy: Path) -> None:
    """Each caption has one pair a language."""

    def double(pairs: pa.Table) -> pa.Table:
        return pa.concat_tables([pairs, pairs.filter(pc.equal(pairs["language"], "de"))])

    edit_pairs(run_copy, "val-000000", double)
    found = problems(run_copy)
    assert "val-000000.tar: 6 pairs of 2 captions in 2 languages" in found
    assert "val-000000.tar: pairs/ has the same key, caption and language twice" in found
    assert "pairs/ holds 28 rows, the manifest promises 26" in found


@pytest.mark.parametrize("name", ["captions_read", "captions_rejected", "pairs_made", "pairs_kept", "pairs_dropped"])
def test_a_count_that_is_off_by_one(run_copy: Path, name: str) -> None:
    """The manifest's sums must come out."""
    edit_manifest(run_copy, lambda manifest: manifest.update({name: manifest[name] + 1}))
    found = problems(run_copy)
    assert found[0].startswith("manifest.json: ")
    assert " is not " in found[0]


@pytest.mark.parametrize("name", ["samples", "media", "captions", "pairs"])
def test_a_shards_count_that_is_off_by_one(run_copy: Path, name: str) -> None:
    """So must the counts of each shard."""
    edit_manifest(run_copy, lambda manifest: manifest["shards"][0].update({name: manifest["shards"][0][name] + 1}))
    found = problems(run_copy)
    assert any(
        line.startswith("train-000000.tar: ") and f" {name}" in line and ", the manifest promises " in line
        for line in found
    )


def test_a_shard_that_the_manifest_forgot(run_copy: Path) -> None:
    """A shard without an entry is a stray, and its captions are missed in the sums."""
    edit_manifest(run_copy, lambda manifest: manifest["shards"].pop())
    found = problems(run_copy)
    assert any(problem.startswith("manifest.json: captions read = ") for problem in found)
    assert "shards/val-000000.tar is not in the manifest" in found
    assert "pairs/val-000000.parquet is not in the manifest" in found


def test_missing_rejects(run_copy: Path) -> None:
    """Every rejected record stands in rejects/."""
    for path in (run_copy / "rejects").iterdir():
        path.unlink()
    assert problems(run_copy) == ["rejects/ holds 0 rows, the manifest promises 2"]


def test_truncated_rejects(run_copy: Path) -> None:
    """A file of rejects that breaks off is named."""
    (path,) = (run_copy / "rejects").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    found = problems(run_copy)
    assert found[0].startswith(f"rejects/{path.name} cannot be read: ")
    assert found[1] == "rejects/ holds 0 rows, the manifest promises 2"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_manifest_that_is_none(run_copy: Path, content: str) -> None:
    """Without a manifest that can be read there is nothing to check against."""
    (run_copy / "shards" / "manifest.json").write_text(content)
    (problem,) = problems(run_copy)
    assert problem.startswith(f"{run_copy}/shards/manifest.json: not a manifest: ")


def test_no_manifest(run_copy: Path) -> None:
    """A run that was not finished promises nothing."""
    (run_copy / "shards" / "manifest.json").unlink()
    with pytest.raises(RunFailed, match="is not there: this is no finished run"):
        problems(run_copy)


def test_many_problems_are_counted(run_copy: Path) -> None:
    """Of one shard twenty problems are named; a report must stay readable."""
    members = read_tar(run_copy, "val-000000")
    strays = [(f"stray{i}.json", b"{}") for i in range(30)]
    write_tar(run_copy, "val-000000", [*members, *strays])
    found = [problem for problem in problems(run_copy) if problem.startswith("val-000000.tar: ")]
    assert len(found) == 21
    assert found[-1] == "val-000000.tar: and 11 more"


def test_sizes_for_open_clip(run_copy: Path) -> None:
    """``sizes.json`` says what the manifest promises, or is missed."""
    path = run_copy / "shards" / "sizes.json"
    sizes = json.loads(path.read_text())
    assert sum(sizes.values()) == 6
    path.write_text(json.dumps({**sizes, "val-000000.tar": 2}))
    assert problems(run_copy) == ["shards/sizes.json does not say how many samples the manifest promises"]
    path.write_text("{")
    assert problems(run_copy) == ["shards/sizes.json does not say how many samples the manifest promises"]
    path.unlink()
    assert problems(run_copy) == ["shards/sizes.json is missing"]
