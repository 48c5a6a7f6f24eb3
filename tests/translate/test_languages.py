"""Codes of every standard become one tag; what names no language is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from translate.languages import Language, LanguageError, parse_language


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("deu", "de"),
        ("ger", "de"),
        ("deu_Latn", "de"),
        ("de-Latn", "de"),
        ("pt-BR", "pt-BR"),
        ("pt_br", "pt-BR"),
        ("zh", "zh"),
        ("zho", "zh"),
        ("cmn", "zh"),
        ("zho_Hans", "zh-Hans"),
        ("zh-Hant", "zh-Hant"),
        ("zho_Hant", "zh-Hant"),
        ("cmn_Hant", "zh-Hant"),
        ("arb_Arab", "ar"),
        ("ory_Orya", "or"),
        ("swh_Latn", "sw"),
        ("lvs_Latn", "lv"),
        ("pes_Arab", "fa"),
        ("jpn_Jpan", "ja"),
        ("srp_Cyrl", "sr-Cyrl"),
        ("iw", "he"),
        ("nob_Latn", "nb"),
        ("no", "no"),
        ("ckb", "ckb"),
    ],
)
def test_one_tag_for_every_way_of_writing(written: str, code: str) -> None:
    """BCP-47, ISO 639-1, ISO 639-2, ISO 639-3 and FLORES-200 codes give the shortest BCP-47 tag."""
    assert parse_language(written).code == code


def test_what_is_known_of_a_language() -> None:
    """A language has its English name, ISO 639-3 code and script."""
    assert parse_language("deu_Latn") == Language(code="de", name="German", iso639_3="deu", script="Latn")


@pytest.mark.parametrize(
    ("code", "script", "spaced"),
    [
        ("de", "Latn", True),
        ("ru", "Cyrl", True),
        ("ko", "Kore", True),
        ("vi", "Latn", True),
        ("zh", "Hans", False),
        ("zh-TW", "Hant", False),
        ("ja", "Jpan", False),
        ("th", "Thai", False),
        ("my", "Mymr", False),
    ],
)
def test_script_and_spaces(code: str, script: str, spaced: bool) -> None:
    """The likely script is found, and whether words have spaces between them."""
    language = parse_language(code)
    assert (language.script, language.spaced) == (script, spaced)


@pytest.mark.parametrize(
    ("code", "tokens"),
    [
        ("de", (">>deu<<", ">>deu_Latn<<", ">>de<<")),
        ("zh", (">>cmn_Hans<<", ">>cmn<<", ">>zho<<", ">>zho_Hans<<", ">>zh<<")),
        ("zho_Hans", (">>cmn_Hans<<", ">>cmn<<", ">>zho<<", ">>zho_Hans<<", ">>zh-Hans<<")),
        ("zh-Hant", (">>cmn_Hant<<", ">>zho<<", ">>zho_Hant<<", ">>zh-Hant<<")),
        ("zh-TW", (">>cmn_Hant<<", ">>zho<<", ">>zho_Hant<<", ">>zh-TW<<")),
        ("no", (">>nob<<", ">>nor<<", ">>nor_Latn<<", ">>no<<")),
        ("sr-Latn", (">>srp<<", ">>srp_Latn<<", ">>sr-Latn<<")),
        ("fil", (">>tgl_Latn<<", ">>tgl<<", ">>fil<<", ">>fil_Latn<<")),
        ("en", (">>eng<<", ">>eng_Latn<<", ">>en<<")),
    ],
)
def test_opus_tokens(code: str, tokens: tuple[str, ...]) -> None:
    """OPUS-MT's names of a target language come with the usual one first, and each once."""
    assert parse_language(code).opus_tokens == tokens


@pytest.mark.parametrize(
    ("code", "label"),
    [("de", "de"), ("pt-BR", "pt"), ("zh-Hant", "zh"), ("nb", "no"), ("fil", "tl"), ("sr-Latn", "sr")],
)
def test_fasttext_label(code: str, label: str) -> None:
    """The label is the one that lid.176 has."""
    assert parse_language(code).lid_label == label


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("German", "(did you mean 'de', German?)"),
        ("german", "(did you mean 'de', German?)"),
        ("Deutsch", "(did you mean 'de', German?)"),
        ("french", "(did you mean 'fr', French?)"),
        ("中文", "(did you mean 'zh', Chinese?)"),
    ],
)
def test_a_name_is_refused_with_its_code(name: str, suggestion: str) -> None:
    """The name of a language is not its code, but the message knows what was meant."""
    with pytest.raises(LanguageError) as refused:
        parse_language(name)
    assert str(refused.value) == f"unknown language {name!r} {suggestion}; codes are BCP-47 such as de or pt-BR"


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "de ",
        "-de",
        "de-",
        "xx",
        "qq",
        "q",
        "123",
        "x-foo",
        ">>deu<<",
        "de_DE.UTF-8",
        "d\x00e",
        "\x000000",
        "ß",
    ],
)
def test_nonsense_is_refused(code: str) -> None:
    """What is no code is refused without a guess."""
    with pytest.raises(LanguageError) as refused:
        parse_language(code)
    assert str(refused.value) == f"unknown language {code!r}; codes are BCP-47 such as de or pt-BR"


@pytest.mark.parametrize("code", ["und", "mul", "mis", "zxx"])
def test_codes_for_no_single_language_are_refused(code: str) -> None:
    """ISO 639 has codes for several, unknown and no languages: nothing can be translated into these."""
    with pytest.raises(LanguageError):
        parse_language(code)


@given(st.one_of(st.text(max_size=12), st.text("abcdefhnorstuxz-_ALHT0149\x00", max_size=14)))
@example("\x000000")
@example("i-klingon")
def test_any_text_is_a_language_or_refused(text: str) -> None:
    """Nothing but `LanguageError` comes out, and the tag of a language means the same language."""
    try:
        language = parse_language(text)
    except LanguageError:
        return
    assert parse_language(language.code) == language
