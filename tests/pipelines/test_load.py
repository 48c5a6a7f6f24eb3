"""Reading a configuration: every problem is said, all of them at once, and nothing is executed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import Config, ConfigError
from pipelines.load import load_config

MINIMAL = "input: {format: jsonl, path: captions.jsonl}\nlanguages: [de]\n"

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration file and returns its path."""

    def written(content: str) -> str:
        (tmp_path / "c.yaml").write_text(content, "utf-8")
        return str(tmp_path / "c.yaml")

    return written


def problems(path: str, overrides: Sequence[str] = ()) -> list[str]:
    """Return what is wrong, without the file's name, which every line begins with."""
    _, found = load_config(path, overrides=overrides)
    assert all(problem.startswith(f"{path}: ") for problem in found)
    return [problem.removeprefix(f"{path}: ") for problem in found]


def loaded(path: str, overrides: Sequence[str] = ()) -> Config:
    """Return a configuration with which nothing is wrong."""
    config, found = load_config(path, overrides=overrides)
    assert found == []
    assert config is not None
    return config


def test_defaults(write: Write) -> None:
    """What is not said has its default."""
    config = loaded(write(MINIMAL))
    assert config.languages == ["de"]
    assert config.source_language == "en"
    assert (config.out, config.ledger) == (None, None)
    assert (config.translate.model, config.translate.beam_size, config.translate.back_translation) == ("mini", 4, False)
    assert config.score.teacher == "muse"
    assert config.shards.samples_per_shard == 1000
    assert config.input.max_rejected == 0.05


def test_relative_paths_start_at_the_file(write: Write, tmp_path: Path) -> None:
    """Input, media, ledger, output and models are looked for beside the configuration, wherever we are."""
    config = loaded(
        write(
            """
            input:
              format: jsonl
              path: [captions.jsonl, /data/*.jsonl, "gs://bucket/c.jsonl"]
              media: photos/{key}.jpg
              media_root: photos
              exclude: [names.txt, {path: /data/*.json, format: coco, name: COCO}]
            languages: [de, fr]
            out: run
            ledger: ../ledger
            translate: {model: {de: ./models/de, fr: mini}, back_model: "./models/{lang}-en"}
            """
        )
    )
    assert config.input.path == [f"{tmp_path}/captions.jsonl", "/data/*.jsonl", "gs://bucket/c.jsonl"]
    assert config.input.media == f"{tmp_path}/photos/{{key}}.jpg"
    assert config.input.media_root == f"{tmp_path}/photos"
    assert [entry.path for entry in config.input.exclude] == [f"{tmp_path}/names.txt", "/data/*.json"]
    assert [entry.set_name for entry in config.input.exclude] == ["names", "COCO"]
    assert config.out == f"{tmp_path}/run"
    assert config.ledger == f"{tmp_path}/../ledger"
    assert config.translate.model == {"de": f"{tmp_path}/models/de", "fr": "mini"}
    assert config.translate.back_model == f"{tmp_path}/models/{{lang}}-en"


def test_a_path_or_an_id(write: Write, tmp_path: Path) -> None:
    """``folder/model`` is a path where that folder is there, and else an id at Hugging Face, which stays as it is."""
    (tmp_path / "models").mkdir()
    config = loaded(
        write(MINIMAL),
        ["translate.model={de: models/de, fr: Helsinki-NLP/opus-mt-en-fr}", "languages=[de, fr]"],
    )
    assert config.translate.model == {"de": f"{tmp_path}/models/de", "fr": "Helsinki-NLP/opus-mt-en-fr"}
    config = loaded(write(MINIMAL), ["translate.model='Helsinki-NLP/opus-mt-en-{lang}'"])
    assert config.translate.model == "Helsinki-NLP/opus-mt-en-{lang}"


def test_braces_in_the_folders_name(tmp_path: Path) -> None:
    """A folder's own braces are no fields of the media template."""
    folder = tmp_path / "{odd}"
    folder.mkdir()
    (folder / "c.yaml").write_text("input: {format: jsonl, path: c.jsonl, media: 'p/{key}.jpg'}\nlanguages: [de]\n")
    assert loaded(str(folder / "c.yaml")).input.media == f"{tmp_path}/{{{{odd}}}}/p/{{key}}.jpg"


def test_absolute_media_are_left(write: Write) -> None:
    """Absolute and remote templates stay as they are."""
    for media in ("/data/{image}", "gs://bucket/p/{key}.jpg"):
        content = MINIMAL.replace("captions.jsonl", f"c.jsonl, media: '{media}'")
        assert loaded(write(content)).input.media == media


def test_languages_become_bcp_47(write: Write) -> None:
    """However a language is written, it has one code from here on."""
    config = loaded(
        write(
            """
            input: {format: jsonl, path: c.jsonl}
            languages: [deu_Latn, zho_Hant, pt_br]
            source_language: eng
            translate: {model: {deu: mini, zh_Hant: mini, pt-BR: mini}}
            judge: {languages: {ger: {thresholds: {min_similarity: 0.5}}}}
            """
        )
    )
    assert config.languages == ["de", "zh-Hant", "pt-BR"]
    assert config.source_language == "en"
    assert config.translate.model == {"de": "mini", "zh-Hant": "mini", "pt-BR": "mini"}
    assert config.thresholds_for("de").min_similarity == 0.5
    assert config.thresholds_for("pt-BR").min_similarity == 0.45


def test_set(write: Write) -> None:
    """An override is put over the file, in sections that are not there too, and read as YAML."""
    config = loaded(
        write(MINIMAL),
        ["translate.beam_size=2", "languages=[fr, cs]", "judge.thresholds.min_similarity=null", "out=there"],
    )
    assert config.translate.beam_size == 2
    assert config.languages == ["fr", "cs"]
    assert config.judge.thresholds == {"min_similarity": None}
    assert config.thresholds_for("fr").min_similarity is None


def test_gpus_by_their_numbers(write: Write) -> None:
    """A list of YAML's, in the file or set; and the resolved configuration, which has an empty one, is read again."""
    file = write(MINIMAL + "translate: {device_index: [0, 1]}\n")
    assert loaded(file).translate.device_index == (0, 1)
    assert loaded(file, ["translate.device_index=[2]"]).translate.device_index == (2,)
    assert problems(file, ["translate.device_index=[-1]"]) == [
        "translate.device_index[0]: Input should be greater than or equal to 0 (got -1)"
    ]
    resolved = loaded(write(MINIMAL))
    assert loaded(write(yaml.safe_dump(resolved.model_dump(mode="json")))) == resolved


def test_the_last_override_counts(write: Write) -> None:
    """Given twice, a setting has its last value; a value may hold an equals sign."""
    config = loaded(write(MINIMAL), ["out=a", "out=b=c"])
    assert config.out is not None
    assert Path(config.out).name == "b=c"


@pytest.mark.parametrize("override", ["beam", "=5", "a..b=1", ".a=1", "a.=1", ""])
def test_a_set_that_cannot_be_read(write: Write, override: str) -> None:
    """What is no ``section.setting=value`` is refused with how to write it."""
    with pytest.raises(ConfigError) as refused:
        load_config(write(MINIMAL), overrides=[override])
    assert str(refused.value) == f"--set {override!r}: write it as section.setting=value"


def test_a_set_below_a_value(write: Write) -> None:
    """A setting is no section."""
    with pytest.raises(ConfigError, match=r"^--set 'input\.path\.x=1': path is not a section$"):
        load_config(write(MINIMAL), overrides=["input.path.x=1"])


@pytest.mark.parametrize("value", ["[1", "!!python/object/apply:os.system [id]", "{"])
def test_a_set_that_is_no_yaml(write: Write, value: str) -> None:
    """A value that YAML's safe loader does not read is refused."""
    with pytest.raises(ConfigError, match="is not a YAML value"):
        load_config(write(MINIMAL), overrides=[f"out={value}"])


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "beam_size=4",
            "unknown setting 'beam_size'; known here: input, languages, source_language, out, ledger, "
            "translate, score, judge, shards, runner",
        ),
        (
            "langauges=[de]",
            "unknown setting 'langauges' (did you mean 'languages'?); known here: input, languages, "
            "source_language, out, ledger, translate, score, judge, shards, runner",
        ),
        (
            "shards.samples_per_shards=4",
            "unknown setting 'shards.samples_per_shards' (did you mean "
            "'samples_per_shard'?); known here: samples_per_shard",
        ),
        (
            "judge.languages.de.treshold=1",
            "unknown setting 'judge.languages.de.treshold' (did you mean 'thresholds'?); known here: thresholds",
        ),
        ("translate.beam_size=four", "translate.beam_size: Input should be a valid integer (got 'four')"),
        ("translate.beam_size=4.5", "translate.beam_size: Input should be a valid integer (got 4.5)"),
        ("translate.beam_size='4'", "translate.beam_size: Input should be a valid integer (got '4')"),
        ("translate.beam_size=true", "translate.beam_size: Input should be a valid integer (got True)"),
        ("translate.beam_size=0", "translate.beam_size: Input should be greater than or equal to 1 (got 0)"),
        ("translate.beam_size=65", "translate.beam_size: Input should be less than or equal to 64 (got 65)"),
        ("translate.repetition_penalty=0", "translate.repetition_penalty: Input should be greater than 0 (got 0)"),
        ("input.max_rejected=1.5", "input.max_rejected: Input should be less than or equal to 1 (got 1.5)"),
        ("input.max_rejected=.nan", "input.max_rejected: Input should be "),
        (
            "input.format=xml",
            "input.format: Input should be 'jsonl', 'csv', 'tsv', 'flickr', 'coco', 'karpathy', "
            "'parquet', 'webdataset', 'vatex' or 'msrvtt' (got 'xml')",
        ),
        (
            "input.exclude=[{path: a.txt, names: x}]",
            "unknown setting 'input.exclude[0].names' (did you mean 'name'?); known here: path, format, name, fields",
        ),
        ("input.exclude=[{name: x}]", "input.exclude[0].path is required"),
        ("input.exclude=[5]", "input.exclude[0]: Input should be a valid dictionary"),
        ("input.exclude={path: a.txt}", "input.exclude: Input should be a valid list (got {'path': 'a.txt'})"),
        ("input.exclude=['']", "input.exclude[0]: String should have at least 1 character (got '')"),
        ("score.teacher=5", "score.teacher: Input should be a valid string (got 5)"),
        ("translate.max_batch_tokens=63", "translate.max_batch_tokens: 0, or at least 64 (got 63)"),
        ("languages=de", "languages: Input should be a valid list (got 'de')"),
        ("languages=[]", "languages: List should have at least 1 item after validation, not 0 (got [])"),
        ("languages=[de, 5]", "languages[1]: Input should be a valid string (got 5)"),
        (
            "languages=[de, no]",
            "languages[1]: Input should be a valid string; YAML reads no, yes, on and off as true "
            "or false unless quoted (got False)",
        ),
        ("translate=", "translate: Input should be a valid dictionary or instance of TranslateConfig (got None)"),
        ("translate=mini", "translate: Input should be a valid dictionary or instance of TranslateConfig (got 'mini')"),
        ("judge.rules=[copy]", "judge.rules: unknown rule 'copy'"),
    ],
)
def test_one_wrong_setting(write: Write, override: str, problem: str) -> None:
    """A wrong setting is named with what is accepted and what was given."""
    found = problems(write(MINIMAL), [override])
    assert [line[: len(problem)] for line in found[:1]] == [problem]


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("languages=[de, xx]", ["languages: unknown language 'xx'; codes are BCP-47 such as de or pt-BR"]),
        (
            "languages=[germn]",
            ["languages: unknown language 'germn' (did you mean 'de', German?); codes are BCP-47 such as de or pt-BR"],
        ),
        ("languages=[de, fr, deu_Latn]", ["languages: 'de' stands there twice"]),
        ("languages=[de, German]", ["languages: 'de' stands there twice"]),
        ("languages=[de, en]", ["languages: 'en' is the source language"]),
        ("source_language=ger", ["languages: 'de' is the source language"]),
        (
            "source_language=englsh",
            [
                "source_language: unknown language 'englsh' (did you mean 'en', English?); "
                "codes are BCP-47 such as de or pt-BR"
            ],
        ),
        ("judge.languages={fr: {}}", ["judge.languages: 'fr' is not among the languages"]),
        ("judge.languages={de: {}, deu: {}}", ["judge.languages: 'de' stands there twice"]),
        (
            "translate.model={de: mini, germn: mini}",
            [
                "translate.model: unknown language 'germn' (did you mean 'de', "
                "German?); codes are BCP-47 such as de or pt-BR"
            ],
        ),
        (
            "translate.back_model={xx: mini}",
            ["translate.back_model: unknown language 'xx'; codes are BCP-47 such as de or pt-BR"],
        ),
        ("translate.num_hypotheses=5", ["translate.num_hypotheses: 5 is more than beam_size x patience (4)"]),
        ("translate={num_hypotheses: 8, patience: 2}", []),
        ("translate.sampling_topk=10", ["translate.sampling_topk: sampling needs beam_size: 1 (got 4)"]),
        ("translate={sampling_topk: 0, beam_size: 1, num_hypotheses: 9, sampling_topp: 0.9}", []),
        (
            "translate.sampling_temperature=0.5",
            [
                "translate.sampling_temperature: does nothing without sampling: set sampling_topk (0: the whole "
                "vocabulary) too"
            ],
        ),
        ("judge.thresholds={min_similarity: 1.5}", ["judge, for de: min_similarity: 1.5 is not between -1 and 1"]),
        ("judge.thresholds={min_similarity: .nan}", ["judge, for de: min_similarity: nan is not between -1 and 1"]),
        (
            "judge.thresholds={min_similarity: 0.9}",
            ["judge, for de: min_similarity (0.9) must be below full_similarity (0.7): set both"],
        ),
        (
            "judge.languages={deu: {thresholds: {min_similarity: 1.5}}}",
            ["judge, for de: min_similarity: 1.5 is not between -1 and 1"],
        ),
    ],
)
def test_settings_that_do_not_go_together(write: Write, override: str, found: list[str]) -> None:
    """Languages, decoding and thresholds are checked by what they mean."""
    assert problems(write(MINIMAL), [override]) == found


def test_an_unknown_threshold(write: Write) -> None:
    """It is said once for all languages, with the nearest known one."""
    (found,) = problems(write(MINIMAL), ["languages=[de, fr]", "judge.thresholds.min_simlarity=0.4"])
    assert found.startswith("judge, for de, fr: unknown threshold 'min_simlarity' (did you mean 'min_similarity'?); ")


def test_everything_at_once(write: Write) -> None:
    """Wrong keys, types, ranges, languages and thresholds come in one list."""
    found = problems(
        write(
            """
            input: {format: jsonl, path: [captions.jsonl, 7], mediaa: x, max_tokens: 0}
            languages: [de, 5, deu, xx, en]
            translate: {model: 5, beam_size: four}
            judge:
              thresholds: {min_simlarity: 0.3}
              languages: {fr: {}}
            runner: {workers: -1}
            """
        )
    )
    beginnings = [
        "input.path: Input should be a valid string (got ['captions.jsonl', 7])",
        "input.path: Input should be a valid string (got 7)",
        "input.max_tokens: ",
        "unknown setting 'input.mediaa' (did you mean 'media'?)",
        "languages[1]: Input should be a valid string (got 5)",
        "translate.model: Input should be a valid string (got 5)",
        "translate.model: Input should be a valid dictionary (got 5)",
        "translate.beam_size: ",
        "runner.workers: ",
    ]
    assert [line[: len(start)] for line, start in zip(found, beginnings, strict=False)] == beginnings


def test_problems_of_both_kinds_at_once(write: Write) -> None:
    """A wrong type does not hide a wrong language or threshold."""
    found = problems(
        write(MINIMAL),
        ["translate.model=5", "languages=[de, 5, xx, deu]", "judge.thresholds.min_simlarity=0.3", "input.max_tokens=0"],
    )
    assert [line.split(" (")[0].split(";")[0] for line in found] == [
        "input.max_tokens: Input should be greater than or equal to 1",
        "languages[1]: Input should be a valid string",
        "translate.model: Input should be a valid string",
        "translate.model: Input should be a valid dictionary",
        "languages: unknown language 'xx'",
        "languages: 'de' stands there twice",
        "judge, for de: unknown threshold 'min_simlarity'",
    ]


def test_what_else_is_wrong_can_be_found_out(write: Write, tmp_path: Path) -> None:
    """With a problem or without, the rest of the configuration comes back, its paths in their places."""
    config, found = load_config(write(MINIMAL), overrides=["languages=[de, german]", "translate.beam_size=0"])
    assert len(found) == 2
    assert config is not None
    assert config.languages == ["de"]
    assert config.translate.beam_size == 4
    assert config.input.path == [f"{tmp_path}/captions.jsonl"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{}", ["input is required", "languages is required"]),
        ("input: {format: jsonl}\nlanguages: [de]", ["input.path is required"]),
        (
            "input:\nlanguages: [de]",
            ["input: Input should be a valid dictionary or instance of InputConfig (got None)"],
        ),
    ],
)
def test_what_must_be_there(write: Write, content: str, found: list[str]) -> None:
    """Without what is required there is no configuration, and nothing else is said of it."""
    config, _ = load_config(write(content))
    assert config is None
    assert problems(write(content)) == found


def test_a_setting_that_is_no_name(write: Write) -> None:
    """YAML's keys may be numbers; ours are names."""
    assert problems(write(MINIMAL + "1: 2")) == ["[1]: Keys should be strings (got 1)"]


def test_a_long_value_is_shown_short(write: Write) -> None:
    """A message stays a line or two, whatever was given."""
    (found,) = problems(write(MINIMAL), [f"translate.beam_size={'x' * 5000}"])
    assert len(found) < 300


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is said so."""
    with pytest.raises(ConfigError) as refused:
        load_config(str(tmp_path / "no.yaml"))
    assert refused.value.problems == [f"no configuration file {tmp_path}/no.yaml"]


def test_a_folder(tmp_path: Path) -> None:
    """A folder is no configuration."""
    with pytest.raises(ConfigError) as refused:
        load_config(str(tmp_path))
    assert refused.value.problems == [f"{tmp_path}: Is a directory"]


@pytest.mark.parametrize("content", ["a: [", "a: b: c", "\t- a", "a: &x *y", "\x00"])
def test_no_yaml(write: Write, content: str) -> None:
    """What YAML cannot read is refused in one line that says where."""
    path = write(content)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{path} is not YAML: ")
    assert "\n" not in problem


def test_a_setting_that_stands_there_twice(write: Write) -> None:
    """YAML would take the last one silently; it is named with its line."""
    path = write("input: {format: jsonl, path: x}\nlanguages: [de]\nscore:\n  teacher: muse\n  teacher: none\n")
    with pytest.raises(ConfigError, match=r"'teacher' stands there twice.*line 5"):
        load_config(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file of another encoding is refused too."""
    (tmp_path / "c.yaml").write_bytes(b"input: \xe9\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_config(str(tmp_path / "c.yaml"))


@pytest.mark.parametrize("content", ["[a, b]", "text", "5", "", "null"])
def test_no_mapping(write: Write, content: str) -> None:
    """A configuration is a mapping."""
    with pytest.raises(ConfigError, match="a configuration is a mapping of settings, not "):
        load_config(write(content))


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['touch PWNED']",
        "!!python/object/new:os.system ['touch PWNED']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object:pathlib.Path {}",
    ],
)
def test_yaml_runs_nothing(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    """Tags that would make Python do something are refused, not done."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="could not determine a constructor for the tag"):
        load_config(write(MINIMAL + f"out: {tag}"))
    assert not (tmp_path / "PWNED").exists()


def test_a_mapping_that_holds_itself(write: Write) -> None:
    """YAML can make a list that contains itself: it is wrong, and that is all."""
    assert problems(write(MINIMAL + "out: &a [*a]")) == ["out: Input should be a valid string (got [[[[[[[...]]]]]]])"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text("ab{}:- ", max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [*Config.model_fields, *Config.model_fields, "beam_size", "path", "format", "de", "en"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_any_settings_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, settings: object) -> None:
    """Whatever a file says, the answer is a configuration, a list of one-line problems, or a refusal."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    try:
        config, found = load_config(str(path))
    except ConfigError as refused:
        found, config = refused.problems, None
    assert config is not None or found
    assert all("\n" not in problem for problem in found)
