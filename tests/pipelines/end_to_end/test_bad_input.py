"""Bad records are rejected with origin and reason, and counted; the run goes on."""

import json
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from user import Project, captionloom, manifest


def write_lines(project: Project, *records: object) -> None:
    """Replace the captions by ``records``: objects as JSON, bytes as they are."""
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    project.captions.write_bytes(b"\n".join(lines) + b"\n")


def test_every_bad_record_is_rejected_with_its_reason_and_the_sums_come_out(project: Project) -> None:
    """One of each kind among good ones: the good ones are in the shards, the others in rejects/."""
    good = [json.loads(line) for line in project.captions.read_text().splitlines()]
    (project.folder / "photos" / "empty.jpg").write_bytes(b"")
    (project.folder / "photos" / "folder.jpg").mkdir()
    write_lines(
        project,
        *good,
        b'{"key": "cut off", "captions": ["A do',
        {"captions": ["A dog without a key."]},
        b'{"key": "latin", "captions": ["A caf\xe9."]}',
        {"key": "dog", "captions": ["Another text for the first caption."]},
        {"key": "rocket", "split": "val", "captions": ["In two splits."]},
        {"key": "no-photo", "captions": ["A red ball."]},
        {"key": "empty", "captions": ["A red ball."]},
        {"key": "folder", "captions": ["A red ball."]},
        {"key": "../../../etc/passwd", "captions": ["A red ball."]},
        {"key": "castle", "captions": ["good but a duplicate", " \t ", "A red\u0000 ball.", "ball " * 101, 7]},
    )
    project.configure(input={"max_rejected": 0.2})

    built = project.run("build")

    assert built.returncode == 0, built.stderr
    rejects = pq.read_table(project.folder / "run" / "rejects").to_pylist()
    assert Counter(reject["reason"] for reject in rejects) == {
        "malformed_record": 1,
        "missing_field": 2,
        "bad_encoding": 1,
        "duplicate_caption": 2,
        "conflicting_split": 1,
        "missing_media": 1,
        "unreadable_media": 2,
        "unsafe_path": 1,
        "empty_caption": 1,
        "control_characters": 1,
        "too_long": 1,
    }
    assert all("captions.jsonl@" in reject["origin"] for reject in rejects)
    held = manifest(project.folder / "run")
    assert (held["captions_read"], held["captions_rejected"], held["pairs_made"]) == (114, 14, 200)
    assert captionloom("verify", str(project.folder / "run")).returncode == 0


def test_too_many_rejects_fail_the_run_before_anything_is_translated(project: Project) -> None:
    """More than max_rejected: exit 1, the dominating reasons named, no engine loaded, no ledger begun."""
    with project.captions.open("a") as captions:
        captions.write('{"key": "x"\n' * 10 + '{"captions": ["No key."]}\n' * 2)

    built = project.run("build")

    assert built.returncode == 1
    assert (
        "12 of 112 captions were rejected (10.7%; input.max_rejected is 5.0%), most for: malformed_record 10, "
        "missing_field 2" in built.stderr
    )
    assert not (project.folder / "run" / "ledger").exists()


def test_key_with_dots_and_slashes_survives_the_trip(project: Project) -> None:
    """The key stands in the JSON as it was; its file names hold no dot but the extension's."""
    photos = project.folder / "photos"
    (photos / "a.b").mkdir()
    (photos / "a.b" / "c d.é.jpg").write_bytes((photos / "dog.jpg").read_bytes())
    write_lines(project, {"key": "a.b/c d.é", "captions": ["A dog runs."]})

    built = project.run("build")

    assert built.returncode == 0, built.stderr
    with tarfile.open(project.folder / "run" / "shards" / "train-000000.tar") as tar:
        assert tar.getnames() == [f"a%2Eb%2Fc%20d%2E%C3%A9.{ext}" for ext in ("jpg", "json", "txt")]
        sample = json.load(tar.extractfile("a%2Eb%2Fc%20d%2E%C3%A9.json"))
    assert sample["key"] == "a.b/c d.é"
    shown = captionloom("show", str(project.folder / "run"), "a.b/c d.é")
    assert shown.stdout.splitlines()[0] == "a.b/c d.é (train-000000)"


def test_key_that_climbs_out_stays_inside(project: Project) -> None:
    """A text-only key of ``../../etc/passwd`` becomes one harmless name in the tar."""
    write_lines(project, {"key": "../../etc/passwd", "captions": ["A dog runs."]})
    settings = project.config.read_text().replace("  media: photos/{key}.jpg\n", "")
    project.config.write_text(settings)

    built = project.run("build")

    assert built.returncode == 0, built.stderr
    with tarfile.open(project.folder / "run" / "shards" / "train-000000.tar") as tar:
        assert tar.getnames() == ["%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.json", "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.txt"]


def test_media_that_vanishes_before_the_cut_is_rejected(finished: Project) -> None:
    """A photograph deleted after score: its five captions are rejected at the next cut, the rest is packed."""
    (finished.folder / "photos" / "dog.jpg").unlink()

    cut = finished.run("cut", "--overwrite")

    assert cut.returncode == 0, cut.stderr
    held = manifest(finished.folder / "run")
    assert (held["captions_read"], held["captions_rejected"]) == (100, 5)
    assert sum(shard["samples"] for shard in held["shards"]) == 19


def test_configuration_is_refused_with_every_problem_in_one_message(project: Project, one_way_model: Path) -> None:
    """Unknown key, wrong range, unknown language, a language the model lacks, no input: all at once, exit 2."""
    project.config.write_text(
        "input: {format: jsonl, path: none/*.jsonl, max_rejectd: 0.1}\n"
        "languages: [de, es, xx]\n"
        f"translate: {{beam_size: 0, back_translation: true, back_model: '{one_way_model}'}}\n"
    )

    refused = project.run("build")

    assert refused.returncode == 2
    lines = refused.stderr.splitlines()
    for expected in (
        "unknown setting 'input.max_rejectd' (did you mean 'max_rejected'?)",
        "translate.beam_size: Input should be greater than or equal to 1 (got 0)",
        "languages: unknown language 'xx'",
        "model 'mini' does not translate English (en) to Spanish (es)",
        f"no model is configured for German -> English: model '{one_way_model}' translates from 'en', not from German",
        "no file matches",
    ):
        assert sum(expected in line for line in lines) == 1, expected
    assert not (project.folder / "run").exists()


def test_directory_of_another_configuration_is_refused_with_the_ways_out(finished: Project) -> None:
    """Exit 2, the setting that differs, and how to continue or overwrite."""
    refused = finished.run("build", "--overwrite", "--set", "shards.samples_per_shard=9")
    assert refused.returncode == 0, refused.stderr

    refused = finished.run("build", "--set", "shards.samples_per_shard=7")

    assert refused.returncode == 2
    assert "shards.samples_per_shard: 9 there, 7 now" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert "--out" in refused.stderr


@pytest.mark.parametrize("missing", [12_000, 60_000])
def test_truncated_tar_gives_what_is_whole_and_rejects_the_rest(project: Project, missing: int) -> None:
    """Of a tar cut short, whole samples are used and the cut one is rejected as truncated_tar."""
    tar = project.folder / "source.tar"
    with tarfile.open(tar, "w") as members:
        for photo in sorted((project.folder / "photos").iterdir()):
            caption = photo.with_suffix(".txt")
            caption.write_text(f"A photo of a {photo.stem.replace('-', ' ')}.")
            members.add(photo, photo.name)
            members.add(caption, caption.name)
    tar.write_bytes(tar.read_bytes()[:-missing])
    project.config.write_text(
        "input: {format: webdataset, path: source.tar, max_rejected: 0.5}\nlanguages: [de]\nscore: {teacher: none}\n"
    )

    built = project.run("build")

    assert built.returncode == 0, built.stderr
    reasons = pq.read_table(project.folder / "run" / "rejects", columns=["reason"])["reason"].to_pylist()
    assert reasons == ["truncated_tar"]
    assert captionloom("verify", str(project.folder / "run")).returncode == 0
    with tarfile.open(project.folder / "run" / "shards" / "train-000000.tar") as packed:
        for name in packed.getnames():
            if name.endswith(".jpg"):
                assert packed.extractfile(name).read() == (project.folder / "photos" / name).read_bytes()
