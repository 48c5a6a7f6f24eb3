"""The plan: which models, which fingerprints, and what cannot be done."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import Config, ConfigError
from pipelines.ledger import Fingerprints
from pipelines.plan import Plan, make_plan
from translate.models import MINI

INPUT = {"format": "jsonl", "path": "captions.jsonl"}


def plan(**sections: Any) -> Plan:
    """Return the plan of German by ``mini`` with these sections put over it."""
    return make_plan(Config.model_validate({"input": INPUT, "languages": ["de"], **sections}))


def prints(**sections: Any) -> Fingerprints:
    """Return the fingerprints of the plan's first language."""
    return plan(**sections).languages[0].fingerprints


def refusals(**sections: Any) -> list[str]:
    """Return why a plan cannot be made."""
    with pytest.raises(ConfigError) as refused:
        plan(**sections)
    return refused.value.problems


def test_the_plan_of_mini() -> None:
    """Every language has its model, its fingerprints and whether the teacher knows it, in their order."""
    made = plan(languages=["fr", "cs", "de"])
    assert made.source.code == "en"
    assert [language.language.code for language in made.languages] == ["fr", "cs", "de"]
    assert [language.teacher_knows for language in made.languages] == [True, False, True]
    assert all(language.model.name == "mini" and language.back_model is None for language in made.languages)
    assert all(language.fingerprints.backs is None for language in made.languages)
    assert [("sk" in language.plausible) for language in made.languages] == [
        language.language.code == "cs" for language in made.languages
    ]


def test_what_will_be_missing_is_said() -> None:
    """The teacher's languages are known before anything runs."""
    assert plan(languages=["cs", "de"]).notes() == [
        "Czech (cs): the teacher 'muse' does not know it, so its similarity is not measured and no rule fires on it"
    ]
    assert plan(score={"teacher": "none"}).notes() == ["no teacher is configured: similarity is not measured"]
    assert plan().notes() == []


def test_a_fingerprint_names_its_language() -> None:
    """A ledger's folders can be told apart by people."""
    made = plan(languages=["fr", "de"]).languages
    assert [one.fingerprints.translations[:3] for one in made] == ["fr-", "de-"]
    assert [len(one.fingerprints.scores) for one in made] == [19, 19]


@pytest.mark.parametrize(
    "sections",
    [
        {"languages": ["de", "cs"]},
        {"score": {"teacher": "none"}},
        {"translate": {"unit_size": 16}},
        {"translate": {"max_batch_tokens": 64}},
        {"translate": {"device": "cpu"}},
        {"translate": {"inter_threads": 3, "intra_threads": 2}},
        {"judge": {"thresholds": {"min_similarity": 0.1}}},
        {"shards": {"samples_per_shard": 7}},
        {"runner": {"workers": 3}},
        {"ledger": "elsewhere"},
        {"input": {"format": "csv", "path": "other.csv", "split": "val"}},
    ],
)
def test_translations_do_not_depend_on_this(sections: dict[str, Any]) -> None:
    """What does not change a translation does not translate again."""
    assert prints(**sections).translations == prints().translations


@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 1},
        {"length_penalty": 0.6},
        {"repetition_penalty": 1.1},
        {"no_repeat_ngram_size": 3},
        {"max_decoding_length": 100},
        {"compute_type": "float32"},
    ],
)
def test_translations_depend_on_decoding(settings: dict[str, Any]) -> None:
    """Each decoding option changes the translations, and the scores with them."""
    assert prints(translate=settings).translations != prints().translations
    assert prints(translate=settings).scores != prints().scores


def test_translations_depend_on_how_they_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of other columns is left alone: its translations, round trips and scores are made again beside it."""
    before = prints(translate={"back_translation": True})
    monkeypatch.setattr("pipelines.plan.TRANSLATIONS_VERSION", 0)
    after = prints(translate={"back_translation": True})
    assert after.translations != before.translations
    assert after.backs != before.backs
    assert after.scores != before.scores


def test_translations_depend_on_the_models_content(mini_copy: Path) -> None:
    """The same files elsewhere are the same model; another file is another."""
    assert prints(translate={"model": str(mini_copy)}) == prints()
    vocabulary = json.loads((mini_copy / "shared_vocabulary.json").read_text())
    (mini_copy / "shared_vocabulary.json").write_text(json.dumps([*vocabulary[:-1], "another"]))
    assert prints(translate={"model": str(mini_copy)}).translations != prints().translations


def test_scores_depend_on_the_teacher() -> None:
    """A new teacher scores again and translates nothing; a language it does not know is not scored again."""
    assert prints(score={"teacher": "none"}).scores != prints().scores
    assert prints(languages=["cs"], score={"teacher": "none"}).scores == prints(languages=["cs"]).scores


def test_other_languages_do_not_matter() -> None:
    """A language is not measured again when the run gets another one, nor when their order changes."""
    first, second = plan(languages=["de"]).languages, plan(languages=["cs", "de"]).languages
    assert first[0].fingerprints == second[1].fingerprints
    assert first[0].plausible == second[1].plausible


def test_unit_size_and_devices_are_passed_on() -> None:
    """What the engine needs beside its fingerprint is in the plan."""
    made = plan(translate={"unit_size": 99, "device": "cpu", "inter_threads": 3, "max_batch_tokens": 77})
    assert made.unit_size == 99
    assert (made.device.device, made.device.inter_threads, made.device.max_batch_tokens) == ("cpu", 3, 77)


def test_languages_that_the_model_cannot_do() -> None:
    """All of them are said at once."""
    can = "it translates cs to en; de to en; en to cs, de, fr, zh; fr to en; zh to en"
    assert refusals(languages=["it", "de", "es"]) == [
        f"translate.model: model 'mini' does not translate English (en) to Italian (it); {can}",
        f"translate.model: model 'mini' does not translate English (en) to Spanish (es); {can}",
    ]


def test_a_source_that_the_model_cannot_do() -> None:
    """``mini`` reads French, but translates it to English only."""
    (problem,) = refusals(source_language="fr")
    assert problem.startswith("translate.model: model 'mini' does not translate French (fr) to German (de); it ")


def test_a_model_that_is_not_there() -> None:
    """It is said once, however many languages use it."""
    (problem,) = refusals(languages=["de", "fr"], translate={"model": "/nowhere"})
    assert problem.startswith("translate.model: model '/nowhere': no such directory; accepted are 'mini', a directory ")


def test_back_translation_without_a_way_back(one_way_model: Path) -> None:
    """The message names the setting, the direction, and both ways out."""
    assert refusals(languages=["de"], translate={"model": str(one_way_model), "back_translation": True}) == [
        f"translate.back_translation: no model is configured for German -> English: model '{one_way_model}' translates "
        "from 'en', not from German (de); set translate.back_model, or back_translation: false"
    ]


def test_back_translation_by_another_model(mini_copy: Path) -> None:
    """A model from many languages to English is taken, and has its own fingerprint."""
    settings = {"back_translation": True, "back_model": str(mini_copy)}
    (language,) = plan(translate=settings).languages
    assert language.back_model is not None
    assert language.back_model.path == mini_copy
    assert language.fingerprints.translations == prints().translations
    assert language.fingerprints.backs is not None
    assert language.fingerprints.backs.startswith("de-")
    assert language.fingerprints.scores != prints().scores


def test_a_back_model_that_is_not_asked_for() -> None:
    """Without ``back_translation`` it is not used."""
    settings = {"back_model": "mini"}
    assert plan(translate=settings).languages[0].back_model is None
    assert prints(translate=settings) == prints()


def test_back_translation_by_the_model_itself() -> None:
    """A model with both directions needs no second one."""
    (language,) = plan(translate={"back_translation": True}).languages
    assert language.back_model == language.model


def test_a_back_model_for_another_direction(one_way_model: Path) -> None:
    """A back-translation model that cannot do the direction is refused like none."""
    (problem,) = refusals(translate={"back_translation": True, "back_model": str(one_way_model)})
    assert problem.startswith("translate.back_translation: no model is configured for German -> English: ")


def test_a_back_model_that_is_not_there() -> None:
    """The message names the setting that is wrong."""
    (problem,) = refusals(translate={"back_translation": True, "back_model": "/nowhere"})
    assert problem.startswith("translate.back_model: model '/nowhere': no such directory")


def test_the_language_in_a_models_name(tmp_path: Path) -> None:
    """``{lang}`` is replaced by the code of each language."""
    for code in ("de", "fr"):
        shutil.copytree(MINI, tmp_path / f"en-{code}")
    made = plan(languages=["de", "fr"], translate={"model": f"{tmp_path}/en-{{lang}}"})
    assert [language.model.path.name for language in made.languages] == ["en-de", "en-fr"]
    (problem,) = refusals(languages=["de", "cs"], translate={"model": f"{tmp_path}/en-{{lang}}"})
    assert problem.startswith(f"translate.model: model '{tmp_path}/en-cs': no such directory")


def test_a_map_of_models(mini_copy: Path) -> None:
    """Each language has its own model; one that the map lacks is refused."""
    models = {"de": str(mini_copy), "fr": "mini"}
    made = plan(languages=["de", "fr"], translate={"model": models})
    assert [language.model.path for language in made.languages] == [mini_copy, MINI]
    assert refusals(languages=["cs", "de"], translate={"model": models}) == [
        "translate.model: no model for Czech (cs) in the map"
    ]


def test_a_map_of_back_models() -> None:
    """A language that the map of back-translation models lacks is refused by that setting's name."""
    settings = {"back_translation": True, "back_model": {"de": "mini"}}
    assert plan(translate=settings).languages[0].back_model is not None
    assert refusals(languages=["de", "fr"], translate=settings) == [
        "translate.back_model: no model for French (fr) in the map"
    ]
