"""The language tokens of real models: each means one language, the right one, and asks for no other."""

from pathlib import Path
from typing import Final

import pytest
from tokens_of_families import (
    MADLAD,
    MADLAD_OTHERS,
    OPUS_EN_MUL,
    OPUS_EN_ROMANCE,
    OPUS_EN_SH,
    OPUS_EN_ZH,
    OPUS_FI_ZH,
    OPUS_FI_ZLS,
    OPUS_ITC_ITC,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from translate.families import Family, LanguageTokens, language_tokens
from translate.languages import parse_language
from translate.models import Model, ModelError

WRITTEN: Final = {Family.MARIAN: ">>{}<<", Family.M2M_100: "__{}__", Family.NLLB: "{}", Family.T5: "<2{}>"}

MODELS: Final = {
    "nllb": (Family.NLLB, NLLB_CODES),
    "m2m-100": (Family.M2M_100, M2M_CODES["m2m100"]),
    "madlad": (Family.T5, MADLAD),
    "en-mul": (Family.MARIAN, OPUS_EN_MUL),
    "en-ROMANCE": (Family.MARIAN, OPUS_EN_ROMANCE),
    "en-zh": (Family.MARIAN, OPUS_EN_ZH),
    "fi-ZH": (Family.MARIAN, OPUS_FI_ZH),
    "itc-itc": (Family.MARIAN, OPUS_ITC_ITC),
    "fi-zls": (Family.MARIAN, OPUS_FI_ZLS),
    "en-sh": (Family.MARIAN, OPUS_EN_SH),
}

NO_LANGUAGES: Final = {"fi-ZH": {"cn", "ze_zh", "zhs", "zht"}}
"""Names that are in no standard, where the model has others for the same languages."""

DOUBLES: Final = {
    "madlad": ["ff fuv", "qu quy"],
    "en-mul": [
        "cmn_Hans cmn zho zho_Hans",
        "cmn_Hant zho_Hant",
        "ido_Latn ido",
        "jbo_Latn jbo",
        "lzh_Hans lzh",
        "qya_Latn qya",
        "tuk_Latn tuk",
        "tzl_Latn tzl",
        "yue_Hant yue",
    ],
    "en-ROMANCE": ["es es_ES", "fr fr_FR", "it it_IT", "pt pt_BR pt_br"],
    "en-zh": ["cmn_Hans cmn zho zho_Hans", "cmn_Hant zho_Hant", "lzh_Hans lzh", "yue_Hant yue"],
    "fi-ZH": ["yue zh_yue", "zh cmn zh_CN zh_cn", "zh_TW zh_tw"],
    "itc-itc": [
        "cbk_Latn cbk",
        "frm_Latn frm",
        "fro_Latn fro",
        "fur_Latn fur",
        "gcf_Latn gcf",
        "lat_Latn lat",
        "lld_Latn lld",
        "osp_Latn osp",
        "por pob",
        "ron mol",
        "srd src",
    ],
    "fi-zls": ["bos_Latn bos", "srp_Cyrl hbs_Cyrl srp", "srp_Latn hbs"],
    "en-sh": ["cnr_Latn cnr", "srp_Cyrl hbs_Cyrl", "srp_Latn hbs"],
}
"""Tokens of one model that mean one language; the first of them is taken for it."""

OTHER_NAMES: Final = {
    # A part of it that stands for the whole, or the whole for a part.
    "als": "sq",
    "arb": "ar",
    "ayr": "ay",
    "azj": "az",
    "cmn": "zh",
    "cnr": "sr",
    "dik": "din",
    "fuv": "ff",
    "gaz": "om",
    "hbs": "sr",
    "ike": "iu",
    "khk": "mn",
    "kmr": "ku",
    "knc": "kr",
    "kpv": "kv",
    "lvs": "lv",
    "mhr": "chm",
    "mol": "ro",
    "no": "nb",
    "npi": "ne",
    "ory": "or",
    "pbt": "ps",
    "pes": "fa",
    "plt": "mg",
    "pnb": "lah",
    "prs": "fa",
    "quy": "qu",
    "sh": "sr",
    "src": "sc",
    "swh": "sw",
    "tgl": "fil",
    "tl": "fil",
    "uzn": "uz",
    "ydd": "yi",
    "zsm": "ms",
    # Names of the models' own.
    "ns": "nso",
    "pob": "pt",
}
"""Names that are neither the language's BCP-47 code nor its ISO 639-3 code → the former."""


def tokens(model: str) -> LanguageTokens:
    """Return what a model with that list of tokens has."""
    family, names = MODELS[model]
    return language_tokens(family, [WRITTEN[family].format(name) for name in names])


def written(model: str, *names: str) -> list[str]:
    """Return tokens of the model by their names."""
    return [WRITTEN[MODELS[model][0]].format(name) for name in names]


@pytest.mark.parametrize("model", MODELS)
def test_every_token_is_understood(model: str) -> None:
    """No token of a language is passed over."""
    names = set(MODELS[model][1]) - NO_LANGUAGES.get(model, set())
    assert set(tokens(model).languages) == set(written(model, *names))


@pytest.mark.parametrize("model", MODELS)
def test_a_token_means_what_its_name_says(model: str) -> None:
    """Language, script and region are those in the name, but for known other names of a language."""
    for token, code in tokens(model).languages.items():
        name, *parts = token.strip(">_<").removeprefix("2").split("_")
        language = parse_language(code)
        primary = code.split("-")[0]
        if token == ">>zh_yue<<":
            name, parts = "yue", []
        assert name in (primary, language.iso639_3) or OTHER_NAMES[name] == primary, token
        for part in parts:
            if len(part) == 4:
                assert language.script == {"kor_Hang": "Kore", "sat_Beng": "Olck"}.get(token, part), token
            else:
                assert code.endswith(f"-{part.upper()}"), token


@pytest.mark.parametrize("model", MODELS)
def test_no_two_tokens_mean_one_language(model: str) -> None:
    """Except those that are known to, of which the best one is taken."""
    known = tokens(model)
    same: dict[tuple[str, str, str], set[str]] = {}
    for token, code in known.languages.items():
        same.setdefault(parse_language(code).identity, set()).add(token)
    doubles = [written(model, *names.split()) for names in DOUBLES.get(model, [])]
    assert sorted(map(sorted, doubles)) == sorted(sorted(group) for group in same.values() if len(group) > 1)
    for taken, *_ in doubles:
        assert known.token(parse_language(known.languages[taken])) == taken


@pytest.mark.parametrize("model", MODELS)
def test_no_two_languages_share_a_token(model: str) -> None:
    """Each language that a model is said to know is asked for by a token of its own."""
    known = tokens(model)
    asked = {code: known.token(parse_language(code)) for code in known.languages.values()}
    assert None not in asked.values()
    assert len(set(asked.values())) == len(asked)


def test_what_madlad_calls_no_language() -> None:
    """Tokens of scripts, regions and kinds of data mean no language: ``<2CA>`` is no Catalan, ``<2Thai>`` no Thai."""
    others = written("madlad", *MADLAD_OTHERS)
    assert language_tokens(Family.T5, others).languages == {}
    everything = language_tokens(Family.T5, [*others, *written("madlad", *MADLAD)])
    for code in ("ar", "ca", "el", "nl", "ru", "th"):
        assert everything.token(parse_language(code)) == f"<2{code}>"


def test_a_code_without_its_script() -> None:
    """NLLB-200's languages may be written by ISO 639-3 alone, in the script that CLDR finds likely."""
    known = tokens("nllb")
    other = {code: known.token(parse_language(code[:3])) for code in NLLB_CODES}
    assert {code: token for code, token in other.items() if code != token} == {
        "ace_Arab": "ace_Latn",
        "bjn_Arab": "bjn_Latn",
        "crh_Latn": None,
        "kas_Deva": "kas_Arab",
        "knc_Arab": "knc_Latn",
        "taq_Tfng": "taq_Latn",
        "tzm_Tfng": None,
        "zho_Hant": "zho_Hans",
    }


@pytest.mark.parametrize(
    ("model", "asked", "problem"),
    [
        (
            "nllb",
            "sr-Latn",
            "Serbian (Latin) (sr-Latn); it knows 202 languages; "
            "the nearest is sr (Serbian) or bs (Bosnian) or hr (Croatian)",
        ),
        (
            "nllb",
            "crh",
            "Crimean Tatar (crh); it knows 202 languages; the nearest is crh-Latn (Crimean Tatar (Latin))",
        ),
        ("nllb", "nv", "Navajo (nv); it knows 202 languages"),
        ("m2m-100", "zh-Hant", "Chinese (Traditional) (zh-Hant); it knows 100 languages; the nearest is zh (Chinese)"),
        ("m2m-100", "nn", "Norwegian Nynorsk (nn); it knows 100 languages; the nearest is nb (Norwegian Bokmål)"),
        ("madlad", "pt-PT", "Portuguese (Portugal) (pt-PT); it knows 450 languages; the nearest is pt (Portuguese)"),
        (
            "madlad",
            "yue",
            "Cantonese (yue); it knows 450 languages; "
            "the nearest is zh-Hant (Chinese (Traditional)) or zh (Chinese) or zh-Latn (Chinese (Latin))",
        ),
        ("en-mul", "de-AT", "German (Austria) (de-AT); it knows 299 languages; the nearest is de (German)"),
        ("en-sh", "mk", "Macedonian (mk); it knows bs, bs-Cyrl, hr, sr, sr-Latn, sr-ME"),
    ],
)
def test_a_language_that_a_model_lacks(model: str, asked: str, problem: str) -> None:
    """It is refused in every family, with what a reader of it understands best."""
    family, _ = MODELS[model]
    known = tokens(model)
    it = Model(model, Path(), "", 0, 512, family, known, None, None, frozenset())
    with pytest.raises(ModelError) as refused:
        it.check(parse_language("en"), parse_language(asked))
    assert str(refused.value) == f"model {model!r} has no token for {problem}"


@pytest.mark.parametrize("model", ["nllb", "m2m-100"])
def test_a_source_that_a_model_lacks(model: str) -> None:
    """Families that name the source refuse one in the same way."""
    family, _ = MODELS[model]
    it = Model(model, Path(), "", 0, 512, family, tokens(model), None, None, frozenset())
    with pytest.raises(ModelError, match=r"^model '.*' has no token for English \(Shavian\) \(en-Shaw\); it knows "):
        it.check(parse_language("en-Shaw"), parse_language("de"))
