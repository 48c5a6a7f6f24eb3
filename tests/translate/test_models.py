"""Finding a model: what it says of itself, and a clear refusal of what is not one."""

import json
import shutil
from pathlib import Path

import pytest

from translate.families import Family
from translate.hub import resolve
from translate.languages import parse_language
from translate.models import MINI, Model, ModelError

GERMAN, ENGLISH, ITALIAN = (parse_language(code) for code in ("de", "en", "it"))


def settings(model: Path, **values: object) -> None:
    """Write the model's ``tokenizer_config.json``."""
    (model / "tokenizer_config.json").write_text(json.dumps(values))


def single_target(model: Path, **values: object) -> Model:
    """Return ``model`` without language tokens, with these tokenizer settings."""
    vocabulary = json.loads((model / "shared_vocabulary.json").read_text())
    plain = [token.strip("<>") if token.startswith(">>") else token for token in vocabulary]
    (model / "shared_vocabulary.json").write_text(json.dumps(plain))
    settings(model, **values)
    return resolve(str(model))


def test_the_bundled_model() -> None:
    """``mini`` lies in the package and translates from English to four languages and back."""
    model = resolve("mini")
    assert model.name == "mini"
    assert model.path == MINI
    assert model.source_language is None
    assert model.target_language is None
    assert model.family is Family.MARIAN
    assert model.tokens.languages == {
        ">>eng<<": "en",
        ">>deu<<": "de",
        ">>fra<<": "fr",
        ">>ces<<": "cs",
        ">>cmn_Hans<<": "zh",
    }
    there = {("en", other) for other in ("de", "fr", "cs", "zh")}
    assert model.directions == there | {(other, one) for one, other in there}
    assert len(model.digest) == 32
    assert model.size > (MINI / "model.bin").stat().st_size


def test_a_copy_is_the_same_model(mini_copy: Path) -> None:
    """The digest is of the content: where it lies, and what else lies there, does not matter."""
    (mini_copy / "README.md").write_text("something else")
    assert resolve(str(mini_copy)).digest == resolve("mini").digest


@pytest.mark.parametrize(
    "file", ["model.bin", "config.json", "shared_vocabulary.json", "source.spm", "target.spm", "tokenizer_config.json"]
)
def test_a_changed_file_makes_another_model(mini_copy: Path, file: str) -> None:
    """Every file that decides what the model says is part of the digest."""
    with (mini_copy / file).open("ab") as end:
        end.write(b"\n")
    assert resolve(str(mini_copy)).digest != resolve("mini").digest


def test_no_such_directory(tmp_path: Path) -> None:
    """The message names the directory and what is accepted."""
    with pytest.raises(ModelError) as refused:
        resolve(str(tmp_path / "nowhere"))
    assert str(refused.value) == (
        f"model '{tmp_path}/nowhere': no such directory; accepted are 'mini', a directory in CTranslate2's or Hugging "
        "Face's layout, and an id at Hugging Face such as Helsinki-NLP/opus-mt-en-de"
    )


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """The path of a file is refused like one that is not there."""
    (tmp_path / "model").write_text("")
    with pytest.raises(ModelError, match="no such directory"):
        resolve(str(tmp_path / "model"))


@pytest.mark.parametrize("file", ["config.json", "source.spm", "target.spm"])
def test_a_missing_file_is_named(mini_copy: Path, file: str) -> None:
    """A model without one of its files is refused by that file's name."""
    (mini_copy / file).unlink()
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value) == f"model '{mini_copy}': {mini_copy} lacks {file}"


def test_a_missing_vocabulary_is_named(mini_copy: Path) -> None:
    """Without a vocabulary nobody knows the languages."""
    (mini_copy / "shared_vocabulary.json").unlink()
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value) == f"{mini_copy} lacks shared_vocabulary.json (or source_vocabulary.json)"


@pytest.mark.parametrize("content", [b"", b'["a", ', b"\xff\xfe", b"not JSON"])
def test_a_vocabulary_that_is_not_json(mini_copy: Path, content: bytes) -> None:
    """A truncated or garbled vocabulary is refused by its file's name."""
    (mini_copy / "shared_vocabulary.json").write_bytes(content)
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value).startswith(f"{mini_copy}/shared_vocabulary.json is not JSON: ")


@pytest.mark.parametrize("content", ["5", "null", '"abc"', "{}", "[1, 2]"])
def test_a_vocabulary_that_is_no_list_of_tokens(mini_copy: Path, content: str) -> None:
    """JSON of another shape is no vocabulary."""
    (mini_copy / "shared_vocabulary.json").write_text(content)
    with pytest.raises(ModelError, match=r"shared_vocabulary\.json is not a list of tokens"):
        resolve(str(mini_copy))


@pytest.mark.parametrize("kept", [0, 3, 1000, 100_000, -1])
def test_a_truncated_model(mini_copy: Path, kept: int) -> None:
    """Weights that were not copied to their end are refused by the file's name, without loading them."""
    content = (mini_copy / "model.bin").read_bytes()
    (mini_copy / "model.bin").write_bytes(content[:kept])
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value) == (
        f"model '{mini_copy}': {mini_copy}/model.bin ends before its weights do: it was not copied whole"
    )


@pytest.mark.parametrize(("change", "tokens"), [(-5, "9,994"), (1, "10,000")])
def test_a_vocabulary_of_another_size(mini_copy: Path, change: int, tokens: str) -> None:
    """A vocabulary that has not a token for each row of the weights is of another model: it would make nonsense."""
    vocabulary = json.loads((mini_copy / "shared_vocabulary.json").read_text())
    changed = vocabulary[:change] if change < 0 else [*vocabulary, "one more"]
    (mini_copy / "shared_vocabulary.json").write_text(json.dumps(changed))
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value) == (
        f"model '{mini_copy}': {mini_copy} has {tokens} tokens in its vocabulary and 9,999 in its weights: "
        "they are not of one model"
    )


def test_a_vocabulary_for_each_side(mini_copy: Path) -> None:
    """Both are needed, and both have the size of their weights."""
    (mini_copy / "shared_vocabulary.json").rename(mini_copy / "source_vocabulary.json")
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value) == f"{mini_copy} lacks target_vocabulary.json"
    (mini_copy / "target_vocabulary.json").write_text("[]")
    with pytest.raises(ModelError, match="has 0 tokens in its vocabulary and 9,999 in its weights"):
        resolve(str(mini_copy))
    shutil.copy(mini_copy / "source_vocabulary.json", mini_copy / "target_vocabulary.json")
    assert resolve(str(mini_copy)).tokens == resolve("mini").tokens


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "is not JSON: "), ("{", "is not JSON: "), ("[]", "is not a mapping of settings")],
)
def test_a_broken_configuration(mini_copy: Path, content: str, problem: str) -> None:
    """CTranslate2's own configuration has to be one."""
    (mini_copy / "config.json").write_text(content)
    with pytest.raises(ModelError) as refused:
        resolve(str(mini_copy))
    assert str(refused.value).startswith(f"{mini_copy}/config.json {problem}")


def test_a_vocabulary_of_lines(mini_copy: Path) -> None:
    """Older conversions have the vocabulary as a text file, one token a line."""
    tokens = json.loads((mini_copy / "shared_vocabulary.json").read_text())
    (mini_copy / "shared_vocabulary.json").unlink()
    for end in ("", "\n"):
        (mini_copy / "shared_vocabulary.txt").write_text("\n".join(tokens) + end)
        assert resolve(str(mini_copy)).tokens == resolve("mini").tokens


def test_a_vocabulary_of_lines_that_is_not_text(mini_copy: Path) -> None:
    """Lines that are not UTF-8 are refused by their file's name."""
    (mini_copy / "shared_vocabulary.json").unlink()
    (mini_copy / "shared_vocabulary.txt").write_bytes(b"<unk>\n\xff\n")
    with pytest.raises(ModelError, match=r"shared_vocabulary\.txt is not UTF-8"):
        resolve(str(mini_copy))


@pytest.mark.parametrize(("content", "problem"), [("{", "is not JSON"), ("[]", "is not a mapping of settings")])
def test_broken_tokenizer_settings(mini_copy: Path, content: str, problem: str) -> None:
    """Tokenizer settings that cannot be read are not passed over: they hold the languages."""
    (mini_copy / "tokenizer_config.json").write_text(content)
    with pytest.raises(ModelError, match=rf"tokenizer_config\.json {problem}"):
        resolve(str(mini_copy))


def test_without_tokenizer_settings(mini_copy: Path) -> None:
    """A model need not say its languages; it then has the positions of OPUS-MT's models."""
    (mini_copy / "tokenizer_config.json").unlink()
    model = resolve(str(mini_copy))
    assert (model.source_language, model.target_language, model.max_length) == (None, None, 512)


@pytest.mark.parametrize(
    ("given", "positions"), [(256, 256), (1, 1), (65536, 65536), (1e30, 512), (10**30, 512), (0, 512), (True, 512)]
)
def test_positions(mini_copy: Path, given: object, positions: int) -> None:
    """``model_max_length`` counts where it is a sensible number; Hugging Face writes 1e30 for none."""
    settings(mini_copy, model_max_length=given)
    assert resolve(str(mini_copy)).max_length == positions


def test_a_target_that_the_model_has() -> None:
    """The token that asks for a language is found."""
    model = resolve("mini")
    model.check(ENGLISH, GERMAN)
    assert model.asked(ENGLISH, GERMAN) == (">>deu<<", None)


def test_a_target_that_the_model_does_not_have(one_way_model: Path) -> None:
    """The message names the model, the language and what the model knows."""
    model = resolve(str(one_way_model))
    with pytest.raises(ModelError, match=r"has no token for Italian \(it\); it knows cs, de, fr, zh(;|$)"):
        model.check(ENGLISH, ITALIAN)


def test_a_source_that_is_not_the_models(one_way_model: Path) -> None:
    """The wrong way round is refused: this is what back-translation by a model from English would be."""
    with pytest.raises(ModelError) as refused:
        resolve(str(one_way_model)).check(GERMAN, ENGLISH)
    assert str(refused.value) == f"model '{one_way_model}' translates from 'en', not from German (de)"


def test_directions() -> None:
    """A model that lists its directions is asked for those only, however the language is written."""
    model = resolve("mini")
    for code in ("de", "deu", "de-DE", "fr", "cs", "zh", "zh-CN", "cmn-Hans"):
        model.check(ENGLISH, parse_language(code))
        model.check(parse_language(code), ENGLISH)
    for one, other in (("de", "fr"), ("en", "it"), ("it", "en"), ("en", "en"), ("en", "zh-Hant"), ("en", "de-AT")):
        with pytest.raises(ModelError, match=r"^model 'mini' does not translate \w+ \("):
            model.check(parse_language(one), parse_language(other))
    with pytest.raises(ModelError) as refused:
        model.check(GERMAN, ITALIAN)
    assert str(refused.value) == (
        "model 'mini' does not translate German (de) to Italian (it); it translates "
        "cs to en; de to en; en to cs, de, fr, zh; fr to en; zh to en"
    )


@pytest.mark.parametrize("directions", [5, "deu", [["eng"]], [["eng", "deu", "fra"]], [["eng", "xx"]], [[1, 2]]])
def test_directions_that_are_none(mini_copy: Path, directions: object) -> None:
    """A broken list of directions is refused by its file's name."""
    settings(mini_copy, directions=directions)
    with pytest.raises(ModelError, match=r"tokenizer_config\.json: directions are not pairs of languages: "):
        resolve(str(mini_copy))


def test_one_target_needs_no_token(mini_copy: Path) -> None:
    """A model with one target language is asked without a token, and for that language only."""
    model = single_target(mini_copy, source_lang="eng", target_lang="deu")
    model.check(ENGLISH, GERMAN)
    assert model.asked(ENGLISH, GERMAN) == (None, None)
    assert model.knows() == "it translates to de"
    with pytest.raises(ModelError, match=r"translates to 'de', not to Italian \(it\)$"):
        model.check(ENGLISH, ITALIAN)


def test_a_group_of_languages_is_none(mini_copy: Path) -> None:
    """OPUS-MT's models from a group (``zls``, ``roa``) do not say which languages they read; they read several."""
    model = single_target(mini_copy, source_lang="zls", target_lang="eng")
    assert model.source_language is None
    for code in ("hr", "bg", "sl"):
        model.check(parse_language(code), ENGLISH)


def test_one_target_that_is_not_named(mini_copy: Path) -> None:
    """A model that says nothing of its languages is believed to have the wanted ones."""
    model = single_target(mini_copy)
    model.check(GERMAN, ITALIAN)
    assert model.knows() == "it translates to one language that its files do not name"
