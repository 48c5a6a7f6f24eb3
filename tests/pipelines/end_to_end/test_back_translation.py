"""Round trips: by the bundled model, which has both directions."""

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
from user import Project, captionloom


def test_round_trips_are_made_scored_and_packed(finished: Project) -> None:
    """Switched on later, nothing is translated again; each pair has its back-translation and its chrF."""
    finished.configure(translate={"back_translation": True})

    built = finished.run("build", "--overwrite", "--set", "judge.rules=[empty]")

    assert built.returncode == 0, built.stderr
    assert "de: 0 texts translated, 100 were in the ledger, 100 measured again" in built.stderr
    run = finished.folder / "run"
    pairs = pq.read_table(run / "pairs").to_pylist()
    assert len(pairs) == 200
    assert all(pair["back"] and pair["back_logprob"] < 0 and 0 <= pair["back_chrf"] <= 100 for pair in pairs)
    assert sum(pair["back_chrf"] for pair in pairs) / 200 > 40
    with tarfile.open(run / "shards" / "train-000000.tar") as tar:
        name = next(name for name in tar.getnames() if name.endswith(".json"))
        sample = json.load(tar.extractfile(name))
    german = sample["captions"][0]["translations"]["de"]
    pair = next(pair for pair in pairs if (pair["key"], pair["n"], pair["language"]) == (sample["key"], 0, "de"))
    assert german["back"] == pair["back"]
    assert german["scores"]["back_chrf"] == round(pair["back_chrf"], 4)
    assert captionloom("verify", str(run)).returncode == 0


def test_round_trips_by_a_model_that_has_no_way_back_are_refused(project: Project, one_way_model: Path) -> None:
    """Exit 2 before anything runs, and what to do."""
    refused = project.run("build", f"--set=translate.model={one_way_model}", "--set", "translate.back_translation=true")

    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"captionloom: translate.back_translation: no model is configured for {name} -> English: model "
        f"'{one_way_model}' translates from 'en', not from {name} ({code}); set translate.back_model, or "
        "back_translation: false"
        for name, code in (("German", "de"), ("Czech", "cs"))
    ]
    assert not (project.folder / "run").exists()
