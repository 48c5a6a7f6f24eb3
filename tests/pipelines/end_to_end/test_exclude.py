"""Evaluation sets are kept out of a run, and videos that are gone do not stop one."""

import json

import pyarrow.parquet as pq
import pytest
from user import Project, captionloom, manifest


def lines(project: Project) -> list[dict[str, object]]:
    """Return the records of the project's captions."""
    return [json.loads(line) for line in project.captions.read_text().splitlines()]


def test_items_of_evaluation_sets_are_in_no_shard_and_in_the_audit(finished: Project) -> None:
    """By key, caption and near-duplicate; nothing is translated again, verify and show agree, nothing else is lost."""
    near = str(lines(finished)[3]["captions"][1])
    (finished.folder / "names.txt").write_text("dog.jpg\nof-no-photo.jpg\n")
    (finished.folder / "captions.txt").write_text(
        "A smiling woman in an orange SPACE SUIT sits in front of a flag\n" + near.removesuffix(".") + "s!\n"
    )
    exclude = [{"path": name, "name": "eval"} for name in ("names.txt", "captions.txt")]
    (finished.folder / "other.txt").write_text("nothing-of-ours.jpg\n")
    # An overlap is asked for: fifteen of a hundred captions are more than max_rejected allows of others.
    finished.configure(input={"exclude": [*exclude, "other.txt"]})

    built = finished.run("build", "--overwrite")

    assert built.returncode == 0, built.stderr
    assert "15 of these are captions of items in the evaluation sets" in built.stderr
    assert "de: 0 texts translated" in built.stderr
    run = finished.folder / "run"
    held = manifest(run)
    assert (held["captions_read"], held["captions_rejected"], held["pairs_made"]) == (100, 15, 170)
    assert captionloom("verify", str(run)).returncode == 0
    audit = json.loads((run / "audit" / "audit.json").read_text())
    assert audit["evaluation_sets"] == {
        "eval": {
            "items": 3,
            "captions": 15,
            "ways": {
                "key": {"items": 1, "captions": 5},
                "caption": {"items": 1, "captions": 5},
                "near_duplicate": {"items": 1, "captions": 5},
            },
        },
        "other": {
            "items": 0,
            "captions": 0,
            "ways": {way: {"items": 0, "captions": 0} for way in ("key", "caption", "near_duplicate")},
        },
    }
    assert "Evaluation sets that were kept out" in (run / "audit" / "report.html").read_text()
    shown = captionloom("show", str(run), "astronaut").stdout.splitlines()
    assert len(shown) == 5
    assert shown[0].startswith(
        "astronaut caption 0: rejected, evaluation_overlap: in eval, by caption: 'A smiling woman in an orange space "
        "suit sits in front of a flag.' is its 'A smiling woman in an orange SPACE SUIT sits in front of a flag' ("
    )
    rejects = pq.read_table(run / "rejects").to_pylist()
    assert {reject["key"] for reject in rejects} == {"astronaut", "dog", lines(finished)[3]["key"]}


def test_a_list_that_cannot_be_read_is_refused_with_what_else_is_wrong(project: Project) -> None:
    """Exit 2, before anything runs: a missing file, one that holds nothing, an unknown setting."""
    (project.folder / "empty.txt").write_text("")
    project.configure(input={"exclude": ["none.txt", "empty.txt"], "max_missing_media": 2}, languages=["de", "xx"])

    refused = project.run("build")

    assert refused.returncode == 2
    for expected in (
        f"input.exclude[0]: no file matches '{project.folder}/none.txt'",
        f"input.exclude[1]: {project.folder}/empty.txt holds neither keys nor captions",
        "input.max_missing_media: Input should be less than or equal to 1 (got 2)",
        "languages: unknown language 'xx'",
    ):
        assert sum(expected in line for line in refused.stderr.splitlines()) == 1, expected
    assert not (project.folder / "run").exists()


def test_a_run_of_which_nothing_is_left_fails(project: Project) -> None:
    """Every item is in an evaluation set: exit 1, and it says so."""
    (project.folder / "all.txt").write_text("".join(f"{line['key']}\n" for line in lines(project)))
    project.configure(input={"exclude": "all.txt"})

    built = project.run("build")

    assert built.returncode == 1
    assert "no caption is left: all 100 were rejected, most for: evaluation_overlap 100" in built.stderr


def vatex(project: Project) -> None:
    """Make the project's input VATEX's: four videos, of which one is there."""
    videos = [{"videoID": f"v{i}_000001_000011", "enCap": ["A dog runs.", "A dog."], "chCap": []} for i in range(4)]
    (project.folder / "vatex.json").write_text(json.dumps(videos))
    (project.folder / "videos").mkdir()
    (project.folder / "videos" / "v2_000001_000011.webm").write_bytes(b"video")
    source = {"format": "vatex", "path": "vatex.json", "media": "videos/{key}.{mp4,webm}"}
    project.config.write_text(json.dumps({"input": source, "languages": ["de"], "score": {"teacher": "none"}}))


def test_missing_videos_do_not_stop_a_run(project: Project) -> None:
    """Three of four are gone: rejected, said, and the fourth is in the shard under its own extension."""
    vatex(project)

    built = project.run("build")

    assert built.returncode == 0, built.stderr
    assert "6 of these are captions whose media are missing" in built.stderr
    run = project.folder / "run"
    held = manifest(run)
    assert (held["captions_read"], held["captions_rejected"], held["pairs_made"]) == (8, 6, 2)
    assert [shard["media"] for shard in held["shards"]] == [1]
    assert captionloom("verify", str(run)).returncode == 0
    audit = json.loads((run / "audit" / "audit.json").read_text())
    assert {reason: figures["count"] for reason, figures in audit["rejects"].items()} == {"missing_media": 6}
    assert audit["notes"][0] == (
        "The media of 6 of 8 captions (75.0 %) are missing; input.max_rejected does not count these."
    )


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "input.max_missing_media=0.5",
            "the media of 6 of 8 captions are missing (75.0%; input.max_missing_media is 50.0%)",
        ),
        (
            "input.media=photos/{key}.mp4",
            "no caption is left: all 8 were rejected, most for: missing_media 8",
        ),
    ],
)
def test_a_bound_of_their_own_and_a_wrong_template_stop_it(project: Project, setting: str, said: str) -> None:
    """Too many missing by the user's own measure, and all of them by any."""
    vatex(project)

    built = project.run("build", "--set", setting)

    assert built.returncode == 1
    assert said in built.stderr
