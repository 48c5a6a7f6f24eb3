"""Codes of every standard become one tag; what names no language is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokens_of_families import (
    MADLAD,
    OPUS_EN_MUL,
    OPUS_EN_ROMANCE,
    OPUS_EN_SH,
    OPUS_EN_ZH,
    OPUS_FI_ZLS,
    OPUS_ITC_ITC,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from translate.languages import Language, LanguageError, nearest, parse_language


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
        ("zho_Hans", "zh"),
        ("zh-TW", "zh-TW"),
        ("kor_Hang", "ko"),
        ("zh-Hant", "zh-Hant"),
        ("zho_Hant", "zh-Hant"),
        ("cmn_Hant", "zh-Hant"),
        ("arb_Arab", "ar"),
        ("ory_Orya", "or"),
        ("swh_Latn", "sw"),
        ("lvs_Latn", "lv"),
        ("pes_Arab", "fa"),
        ("jpn_Jpan", "ja"),
        ("srp_Cyrl", "sr"),
        ("srp_Latn", "sr-Latn"),
        ("sh", "sr-Latn"),
        ("iw", "he"),
        ("nob_Latn", "nb"),
        ("no", "nb"),
        ("nor", "nb"),
        ("nno_Latn", "nn"),
        ("ckb", "ckb"),
        ("twi_Latn", "tw"),
        ("aka_Latn", "ak"),
        ("fuv_Latn", "ff"),
        ("fuc", "fuc"),
        ("acm_Arab", "acm"),
        ("azb_Arab", "azb"),
        ("pbt_Arab", "ps"),
        ("prs_Arab", "fa-AF"),
        ("German", "de"),
        ("deutsch", "de"),
        ("french", "fr"),
        ("中文", "zh"),
        ("Traditional Chinese", "zh-Hant"),
        ("Chinese (Traditional)", "zh-Hant"),
        ("Brazilian Portuguese", "pt-BR"),
        ("Farsi", "fa"),
    ],
)
def test_one_tag_for_every_way_of_writing(written: str, code: str) -> None:
    """BCP-47, ISO 639-1, ISO 639-2, ISO 639-3 and FLORES-200 codes and common names give the shortest BCP-47 tag."""
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
        ("acm", "Arab", True),
        ("xal", "Cyrl", True),
        ("ksw", "Mymr", False),
    ],
)
def test_script_and_spaces(code: str, script: str, spaced: bool) -> None:
    """The likely script is found, and whether words have spaces between them."""
    language = parse_language(code)
    assert (language.script, language.spaced) == (script, spaced)


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
        ("germn", "(did you mean 'de', German?)"),
        ("Frenhc", "(did you mean 'fr', French?)"),
    ],
)
def test_a_misspelt_name_is_refused_with_what_may_be_meant(name: str, suggestion: str) -> None:
    """The message knows what was meant."""
    with pytest.raises(LanguageError) as refused:
        parse_language(name)
    assert str(refused.value) == f"unknown language {name!r} {suggestion}; codes are BCP-47 such as de or pt-BR"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("zh", "zh-CN", True),
        ("zh-Hant", "zh-TW", True),
        ("pt", "pt-BR", True),
        ("en", "en-US", True),
        ("pt", "pt-PT", False),
        ("de", "de-AT", False),
        ("zh", "zh-Hant", False),
        ("zh-Hant", "zh-HK", False),
        ("fa", "prs", False),
    ],
)
def test_what_goes_without_saying(one: str, other: str, *, same: bool) -> None:
    """A likely script or region makes no other language, another one does."""
    assert (parse_language(one).identity == parse_language(other).identity) is same


FLORES = [*(code for code in NLLB_CODES if code != "sat_Beng"), "arb_Latn", "min_Arab", "sat_Olck"]
XTD10 = ["en", "de", "fr", "zh", "ja", "it", "es", "ru", "pl", "tr", "ko"]


@pytest.mark.parametrize("code", FLORES)
def test_every_code_of_flores_comes_back(code: str) -> None:
    """A code of FLORES-200 becomes a tag that means the same language, in the same script."""
    language = parse_language(code)
    assert parse_language(language.code) == language
    assert language.script == {"kor_Hang": "Kore"}.get(code, code[-4:])


@pytest.mark.parametrize(
    "codes",
    [
        [*XTD10, "cs"],
        M2M_CODES["m2m100"],
        MADLAD,
        OPUS_EN_MUL,
        OPUS_EN_ROMANCE,
        OPUS_EN_SH,
        OPUS_EN_ZH,
        OPUS_FI_ZLS,
        OPUS_ITC_ITC,
    ],
    ids=["XTD10", "M2M-100", "MADLAD-400", "en-mul", "en-ROMANCE", "en-sh", "en-zh", "fi-zls", "itc-itc"],
)
def test_every_code_of_a_model_comes_back(codes: list[str]) -> None:
    """What a model calls its languages becomes a tag that means the same language."""
    for code in codes:
        if code not in ("ns", "pob"):  # names of M2M-100's and OPUS-MT's own
            language = parse_language(code)
            assert parse_language(language.code) == language


def test_all_of_flores_are_different_languages() -> None:
    """The 204 languages of FLORES-200 have 204 tags."""
    assert len({parse_language(code).identity for code in FLORES}) == 204


@pytest.mark.parametrize("code", XTD10)
def test_the_languages_of_xtd10(code: str) -> None:
    """XTD10's eleven languages are written as it writes them."""
    assert parse_language(code).code == code


def test_the_nearest_languages() -> None:
    """Who asks for a language that is not there is told what a reader of it understands best."""
    among = [parse_language(code) for code in ("de", "es", "pt", "zh", "zh-Hant", "ar", "nb")]
    assert [language.code for language in nearest(parse_language("pt-PT"), among)] == ["pt"]
    assert [language.code for language in nearest(parse_language("de-AT"), among)] == ["de"]
    assert [language.code for language in nearest(parse_language("da"), among)] == ["nb"]


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


@pytest.mark.parametrize("code", ["und", "mul", "mis", "zxx", "roa", "gem", "zls", "ine", "Germanic languages"])
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
