"""What the files of a sentence encoder say, and what is refused because nobody here knows how to compute it."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.encoder_files import Dense, EncoderError, EncoderFiles, last_name, read_encoder

WHOLE = {"model.bin": "weights", "config.json": {}, "vocabulary.json": ["a"], "tokenizer.json": {}}
"""What every CTranslate2 directory of an encoder has."""


def module(kind: str, path: str) -> dict[str, object]:
    """Return an entry of modules.json as releases 2 to 5 wrote it."""
    return {"idx": 0, "name": "0", "path": path, "type": f"sentence_transformers.models.{kind}"}


TRANSFORMER, POOLING = module("Transformer", ""), module("Pooling", "1_Pooling")
MEAN = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
TANH = {
    "in_features": 768,
    "out_features": 768,
    "bias": True,
    "activation_function": "torch.nn.modules.activation.Tanh",
}
WITH_DENSE = {"modules.json": [TRANSFORMER, POOLING, module("Dense", "2_Dense")], "1_Pooling/config.json": MEAN}


def write(folder: Path, files: dict[str, Any]) -> Path:
    """Write ``files`` (name → text, or what is to be JSON) below ``folder`` and return it."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder


def read(folder: Path, files: dict[str, Any], name: str = "some/encoder") -> EncoderFiles:
    """Write a directory with these files beside those that every one has, and read it."""
    return read_encoder(write(folder, {**WHOLE, **files}), name)


def refusal(folder: Path, files: dict[str, Any]) -> str:
    """Return why a directory with these files is refused, the folder left out."""
    with pytest.raises(EncoderError) as refused:
        read(folder, files)
    return str(refused.value).replace(str(folder), "DIR")


LABSE_LANGUAGES = (
    "multilingual af sq am ar hy as az eu be bn bs bg my ca ceb zh co hr cs da nl en eo et fi fr fy gl ka de el gu ht "
    "ha haw he hi hmn hu is ig id ga it ja jv kn kk km rw ko ku ky lo la lv lt lb mk mg ms ml mt mi mr mn ne no ny or "
    "fa pl pt pa ro ru sm gd sr st sn si sk sl so es su sw sv tl tg ta tt te th bo tr tk ug uk ur uz vi cy wo xh yi yo "
    "zu"
)
LABSE = {
    "README.md": "---\nlanguage:\n- "
    + LABSE_LANGUAGES.replace(" ", "\n- ")
    + "\ntags:\n- sentence-transformers\nlicense: apache-2.0\n---\n\n# LaBSE\n",
    "config_sentence_transformers.json": {
        "__version__": {"sentence_transformers": "2.0.0", "transformers": "4.7.0", "pytorch": "1.9.0+cu102"}
    },
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "1_Pooling/config.json": {
        "word_embedding_dimension": 768,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    },
    "2_Dense/config.json": TANH,
    "2_Dense/model.safetensors": "weights",
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
    "tokenizer_config.json": {"do_lower_case": False, "model_max_length": 512, "tokenizer_class": "BertTokenizer"},
}
E5 = {
    "README.md": "---\ntags:\n- mteb\n- Sentence Transformers\nmodel-index:\n- name: intfloat/multilingual-e5-small\n"
    "  results:\n  - task:\n      type: Classification\n    dataset:\n      type: mteb/amazon_counterfactual\n"
    "      config: en\nlanguage:\n- multilingual\n- af\n- cs\n- de\n- 'no'\n- zh\nlicense: mit\n---\n",
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ],
    "1_Pooling/config.json": {
        "word_embedding_dimension": 384,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    },
    "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
    "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "XLMRobertaTokenizer"},
}
MINILM = {
    "README.md": "---\nlanguage:\n- multilingual\n- ar\n- bg\n- cs\n- de\n- ja\n- ms\n- nb\nlanguage_bcp47:\n- fr-ca\n"
    "- pt-br\n- zh-cn\n- zh-tw\nlicense: apache-2.0\nlibrary_name: sentence-transformers\n---\n",
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ],
    "1_Pooling/config.json": E5["1_Pooling/config.json"],
    "sentence_bert_config.json": {"max_seq_length": 128, "do_lower_case": False},
    "tokenizer_config.json": {"model_max_length": 512, "tokenizer_class": "XLMRobertaTokenizer"},
}


def test_labse(tmp_path: Path) -> None:
    """The first token's state, a dense layer with tanh, 256 tokens, no prefix, 109 languages."""
    files = read(tmp_path, LABSE, "sentence-transformers/LaBSE")
    assert files.pooling == ("cls",)
    assert files.dense == (Dense("2_Dense/model.safetensors", "Tanh"),)
    assert (files.max_length, files.lower_case, files.prefix, files.documented) == (256, False, "", True)
    assert files.summary() == "pooling cls, 1 dense layer"
    assert len(files.languages) == 109
    assert [code for code in ("de", "nb", "he", "fil", "zh-Hant", "ceb", "br", "ps") if not files.knows(code)] == [
        "br",
        "ps",
    ]
    assert files.notes() == []


def test_multilingual_e5_small(tmp_path: Path) -> None:
    """The mean of the states, its prefix, which only its card's text names, 512 tokens."""
    files = read(tmp_path, E5, "intfloat/multilingual-e5-small")
    assert (files.pooling, files.dense, files.max_length, files.prefix) == (("mean",), (), 512, "query: ")
    assert files.summary() == "pooling mean, prefix 'query: '"
    assert files.languages == {"af", "cs", "de", "no", "zh"}


def test_paraphrase_multilingual_minilm(tmp_path: Path) -> None:
    """The mean of the states, 128 tokens, no prefix; Chinese stands in the card's second list."""
    files = read(tmp_path, MINILM, "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2")
    assert (files.pooling, files.dense, files.max_length, files.prefix) == (("mean",), (), 128, "")
    assert files.languages == {"ar", "bg", "cs", "de", "fr", "ja", "ms", "no", "pt", "zh"}


def test_as_release_6_writes_it(tmp_path: Path) -> None:
    """The classes have moved, the pooling has one entry, and the length is the tokenizer's."""
    files = read(
        tmp_path,
        {
            "modules.json": [
                {"idx": 0, "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
                {
                    "idx": 1,
                    "path": "1_Pooling",
                    "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
                },
                {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.base.modules.dense.Dense"},
                {"idx": 3, "path": "3_Normalize", "type": "sentence_transformers.base.modules.normalize.Normalize"},
            ],
            "1_Pooling/config.json": {"embedding_dimension": 768, "pooling_mode": "cls", "include_prompt": True},
            "2_Dense/config.json": {
                **TANH,
                "module_input_name": "sentence_embedding",
                "module_output_name": "sentence_embedding",
                "use_residual": False,
            },
            "2_Dense/model.safetensors": "weights",
            "sentence_bert_config.json": {"transformer_task": "feature-extraction"},
            "config_sentence_transformers.json": {
                "prompts": {"query": "", "document": ""},
                "default_prompt_name": None,
                "model_type": "SentenceTransformer",
            },
            "tokenizer_config.json": {"model_max_length": 256},
        },
    )
    assert files.pooling == ("cls",)
    assert files.dense == (Dense("2_Dense/model.safetensors", "Tanh"),)
    assert (files.max_length, files.prefix) == (256, "")


def test_an_encoder_alone(tmp_path: Path) -> None:
    """Without the files of sentence-transformers the mean is assumed, and said, as is that it knows all languages."""
    files = read(tmp_path, {}, "mine")
    assert (files.pooling, files.dense, files.max_length, files.prefix) == (("mean",), (), 512, "")
    assert files.knows("cs")
    assert files.notes() == [
        "the teacher 'mine' has no modules.json of sentence-transformers: mean pooling is assumed",
        "the card of the teacher 'mine' lists no languages: it is taken to know all",
    ]


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True}, ("cls",)),
        ({"pooling_mode_max_tokens": True, "pooling_mode_lasttoken": False}, ("max",)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"word_embedding_dimension": 384}, ("mean",)),
        ({"pooling_mode": "max"}, ("max",)),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, ("mean_sqrt_len",)),
        ({"pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
    ],
)
def test_pooling(tmp_path: Path, config: dict[str, object], pooling: tuple[str, ...]) -> None:
    """Several are joined: of the older entries in a fixed order, of the newer list in its own."""
    files = {"modules.json": [TRANSFORMER, POOLING], "1_Pooling/config.json": config}
    assert read(tmp_path, files).pooling == pooling


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "tokenizer.json"])
def test_a_file_that_is_missing(tmp_path: Path, missing: str) -> None:
    """A directory that is not whole is refused by what it lacks."""
    write(tmp_path, {name: content for name, content in WHOLE.items() if name != missing})
    with pytest.raises(EncoderError) as refused:
        read_encoder(tmp_path, "mine")
    assert str(refused.value) == f"teacher 'mine': {tmp_path} lacks {missing}"


def test_a_translation_model(tmp_path: Path) -> None:
    """A model with two vocabularies, or a shared one, encodes no sentences."""
    write(tmp_path, {"model.bin": "weights", "config.json": {}, "shared_vocabulary.json": [], "tokenizer.json": {}})
    with pytest.raises(EncoderError) as refused:
        read_encoder(tmp_path, "mine")
    assert str(refused.value) == f"teacher 'mine' is no sentence encoder: {tmp_path} lacks vocabulary.json"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"modules.json": [TRANSFORMER, POOLING, module("WordWeights", "2_WordWeights")]},
            "DIR/modules.json has a module 'WordWeights'; known are Transformer, Pooling, Dense, Normalize",
        ),
        (
            {"modules.json": [POOLING, TRANSFORMER]},
            "DIR/modules.json does not begin with a Transformer in this folder",
        ),
        (
            {"modules.json": [module("Transformer", "0_Transformer"), POOLING]},
            "DIR/modules.json does not begin with a Transformer in this folder",
        ),
        ({"modules.json": []}, "DIR/modules.json does not begin with a Transformer in this folder"),
        (
            {"modules.json": [TRANSFORMER, module("Normalize", "2_Normalize")]},
            "DIR/modules.json lists Transformer, Normalize; known is one Transformer, one Pooling, then Dense, then "
            "Normalize",
        ),
        (
            {
                "modules.json": [
                    TRANSFORMER,
                    POOLING,
                    module("Normalize", "2_Normalize"),
                    module("Dense", "3_Dense"),
                ]
            },
            "DIR/modules.json lists Transformer, Pooling, Normalize, Dense; known is one Transformer, one Pooling, "
            "then Dense, then Normalize",
        ),
        (
            {"modules.json": [TRANSFORMER, module("Pooling", "../elsewhere")]},
            "DIR/modules.json has a module in '../elsewhere', which is no folder beside it",
        ),
        (
            {"modules.json": [TRANSFORMER, module("Pooling", "/etc")]},
            "DIR/modules.json has a module in '/etc', which is no folder beside it",
        ),
        ({"modules.json": [{"idx": 0}]}, "DIR/modules.json is not a list of modules with type and path"),
        ({"modules.json": {"a": 1}}, "DIR/modules.json is not a list of modules with type and path"),
        ({"modules.json": 7}, "DIR/modules.json is not a list of modules with type and path"),
        ({"modules.json": "["}, "DIR/modules.json is not JSON: Expecting value: line 1 column 2 (char 1)"),
        ({"modules.json": [TRANSFORMER, POOLING]}, "DIR/1_Pooling lacks config.json"),
        (
            {**WITH_DENSE, "1_Pooling/config.json": {"pooling_mode_lasttoken": True}},
            "DIR/1_Pooling/config.json asks for pooling_mode_lasttoken; known are cls, max, mean, mean_sqrt_len",
        ),
        (
            {
                **WITH_DENSE,
                "1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_weightedmean_tokens": True},
            },
            "DIR/1_Pooling/config.json asks for pooling_mode_weightedmean_tokens; known are cls, max, mean, "
            "mean_sqrt_len",
        ),
        (
            {**WITH_DENSE, "1_Pooling/config.json": {"pooling_mode": ["cls", "lasttoken"]}},
            "DIR/1_Pooling/config.json asks for lasttoken; known are cls, max, mean, mean_sqrt_len",
        ),
        (
            {**WITH_DENSE, "1_Pooling/config.json": {"pooling_mode": []}},
            "DIR/1_Pooling/config.json asks for no pooling; known are cls, max, mean, mean_sqrt_len",
        ),
        (
            {**WITH_DENSE, "1_Pooling/config.json": {**MEAN, "include_prompt": False}},
            "DIR/1_Pooling/config.json leaves the prompt out of the pooling (include_prompt), which is not known",
        ),
        ({**WITH_DENSE, "1_Pooling/config.json": [1]}, "DIR/1_Pooling/config.json is not a mapping of settings"),
        (
            {**WITH_DENSE, "2_Dense/config.json": {**TANH, "activation_function": "torch.nn.modules.activation.GELU"}},
            "DIR/2_Dense/config.json has the activation 'GELU'; known are Identity, Tanh",
        ),
        (
            {**WITH_DENSE, "2_Dense/config.json": {**TANH, "use_residual": True}},
            "DIR/2_Dense/config.json has a residual connection (use_residual), which is not known",
        ),
        (
            {**WITH_DENSE, "2_Dense/config.json": {**TANH, "module_input_name": "token_embeddings"}},
            "DIR/2_Dense/config.json has module_input_name 'token_embeddings'; known is sentence_embedding",
        ),
        ({**WITH_DENSE, "2_Dense/config.json": TANH}, "DIR/2_Dense lacks model.safetensors"),
        (
            {"sentence_bert_config.json": "{max"},
            "DIR/sentence_bert_config.json is not JSON: Expecting property name enclosed in double quotes: line 1 "
            "column 2 (char 1)",
        ),
        ({"tokenizer_config.json": []}, "DIR/tokenizer_config.json is not a mapping of settings"),
        (
            {"config_sentence_transformers.json": {"prompts": {"query": "q: "}, "default_prompt_name": "search"}},
            "DIR/config_sentence_transformers.json has no prompt 'search'",
        ),
        (
            {"config_sentence_transformers.json": {"default_prompt_name": ["query"]}},
            "DIR/config_sentence_transformers.json has no prompt ['query']",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    """A part that is broken or not known is named with its file: to leave it out would give other embeddings."""
    assert refusal(tmp_path, files) == message


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("intfloat/multilingual-e5-small", "query: "),
        ("intfloat/multilingual-e5-large@v1.0", "query: "),
        ("intfloat/e5-base-v2@refs/pr/3", "query: "),
        ("/models/Multilingual-E5-Small/", "query: "),
        ("/models/instruct@home/my_e5", "query: "),
        ("/models/e5", "query: "),
        ("intfloat/multilingual-e5-large-instruct", ""),
        ("someone/cafe5x", ""),
        ("someone/cafe5-small", ""),
        ("someone/e50", ""),
        ("/data/e5-models/LaBSE", ""),
        ("e5-lab/LaBSE", ""),
    ],
)
def test_the_prefix_of_an_e5(tmp_path: Path, name: str, prefix: str) -> None:
    """The last part of its name tells it, not the folders around it, and not a word that ends like it."""
    assert read(tmp_path, {}, name).prefix == prefix


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        ({"prompts": {"query": "search: "}, "default_prompt_name": "query"}, "search: "),
        ({"prompts": {"query": "search: "}, "default_prompt_name": None}, "query: "),
        ({"prompts": {"none": ""}, "default_prompt_name": "none"}, ""),
        ({"prompts": {"query": "search: "}}, "query: "),
    ],
)
def test_the_default_prompt(tmp_path: Path, settings: dict[str, object], prefix: str) -> None:
    """Where the files name one, it is taken, also for an E5; prompts that are there to be chosen from are not."""
    assert read(tmp_path, {"config_sentence_transformers.json": settings}, "multilingual-e5-small").prefix == prefix


@pytest.mark.parametrize(
    ("bert", "tokenizer", "length"),
    [
        ({}, {}, 512),
        ({"max_seq_length": 128}, {"model_max_length": 512}, 128),
        ({"max_seq_length": None}, {"model_max_length": 256}, 256),
        ({"max_seq_length": 8192}, {"model_max_length": 8192}, 512),
        ({}, {"model_max_length": 1000000000000000019884624838656}, 512),
        ({"max_seq_length": True}, {"model_max_length": -1}, 512),
        ({"max_seq_length": "64"}, {"model_max_length": 1e30}, 512),
    ],
)
def test_the_length(tmp_path: Path, bert: dict[str, object], tokenizer: dict[str, object], length: int) -> None:
    """The least that a file names counts, up to the positions of BERT; what is no length does not."""
    assert read(tmp_path, {"sentence_bert_config.json": bert, "tokenizer_config.json": tokenizer}).max_length == length


@pytest.mark.parametrize(("value", "lower"), [(True, True), (False, False), ("yes", False)])
def test_lower_case(tmp_path: Path, value: object, *, lower: bool) -> None:
    """Only where the file says true."""
    assert read(tmp_path, {"sentence_bert_config.json": {"do_lower_case": value}}).lower_case is lower


@pytest.mark.parametrize(
    ("head", "languages"),
    [
        ("language: de", {"de"}),
        ("language: [de, pt-br, zh_Hant_TW]", {"de", "pt", "zh"}),
        ("language:\n- no\n- nb\n- nn", {"no"}),
        ("language:\n  - deu\n  - cmn\n  - iw\n  - tl", {"de", "zh", "he", "fil"}),
        ("language: multilingual", set()),
        ("language:\n- multilingual\n- code\n- en", {"en"}),
        ("language:\n- mul\n- und", set()),
        ("language: {en: yes}", set()),
        ("language:\n- [en]\n- en", {"en"}),
        ("language_bcp47:\n- fr-ca", {"fr"}),
        ("licence: mit", set()),
        ("tags: [a\nlanguage:\n- en", {"en"}),
        ("language: [en", set()),
        ("title: a --- b\nlanguage: en", {"en"}),
        ("results:\n  language: en", set()),
    ],
)
def test_the_languages_of_a_card(tmp_path: Path, head: str, languages: set[str]) -> None:
    """As macrolanguages, from both lists; what is no code of one language is none, "no" is no truth value."""
    assert read(tmp_path, {"README.md": f"---\n{head}\n---\n# An encoder\nlanguage: fr\n"}).languages == languages


@pytest.mark.parametrize("card", ["", "# Only a title\n", "---\nlanguage: en\n", "language: en\n", "---", "---\n---\n"])
def test_a_card_without_a_head(tmp_path: Path, card: str) -> None:
    """It lists no languages."""
    assert read(tmp_path, {"README.md": card}).languages == frozenset()


def test_who_knows_a_language(tmp_path: Path) -> None:
    """The first subtag counts; Bokmål and Nynorsk are Norwegian, a variant is its macrolanguage."""
    files = read(tmp_path, {"README.md": "---\nlanguage: [en, no, zh, pt]\n---\n"})
    known = ("en", "en-GB", "nb", "nn", "no", "zh-Hant", "zh-TW", "pt-BR")
    assert [code for code in (*known, "de", "ja", "da") if not files.knows(code)] == ["de", "ja", "da"]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("sentence-transformers/LaBSE", "labse"),
        ("intfloat/multilingual-e5-small@refs/pr/3", "multilingual-e5-small"),
        ("/models/me@home/LaBSE/", "labse"),
        ("muse", "muse"),
    ],
)
def test_the_last_part_of_a_name(name: str, last: str) -> None:
    """Of a path its folder, of an id what stands before the revision."""
    assert last_name(name) == last


@pytest.mark.parametrize(
    "changed",
    [
        {"model.bin": "other"},
        {"tokenizer.json": {"version": "1.0"}},
        {"vocabulary.json": ["b"]},
        {"1_Pooling/config.json": {"pooling_mode": "cls"}},
        {"2_Dense/config.json": {**TANH, "activation_function": "torch.nn.modules.linear.Identity"}},
        {"2_Dense/model.safetensors": "other"},
        {"sentence_bert_config.json": {"max_seq_length": 64}},
        {"config_sentence_transformers.json": {"prompts": {"a": "b: "}, "default_prompt_name": "a"}},
        {"README.md": "---\nlanguage: [de, fr]\n---\n"},
    ],
)
def test_the_digest_changes_with_what_is_read(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Every file that has a say counts: two encoders of one digest are one in the cache."""
    before = {
        **WITH_DENSE,
        "2_Dense/config.json": TANH,
        "2_Dense/model.safetensors": "weights",
        "README.md": "---\nlanguage: de\n---\n",
    }
    digest = read(tmp_path / "a", before).digest
    assert read(tmp_path / "b", before).digest == digest
    assert read(tmp_path / "c", {**before, **changed}).digest != digest


def test_the_text_of_a_card_does_not_count(tmp_path: Path) -> None:
    """Of the model card only the languages do."""
    one = read(tmp_path / "a", {"README.md": "---\nlicense: mit\nlanguage: de\n---\n# Before\n"})
    other = read(tmp_path / "b", {"README.md": "---\nlanguage: de\n---\n# After\n"})
    assert one.digest == other.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "path",
                    "pooling_mode",
                    "pooling_mode_cls_token",
                    "activation_function",
                    "prompts",
                    "default_prompt_name",
                    "max_seq_length",
                    "model_max_length",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
NAMES = [
    "modules.json",
    "1_Pooling/config.json",
    "2_Dense/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), content=JSON | st.text(max_size=20))
def test_any_file_is_read_or_refused(tmp_path: Path, name: str, content: Any) -> None:
    """Whatever stands in a file, it is understood or refused, and nothing else happens."""
    files = {**WITH_DENSE, "2_Dense/config.json": TANH, "2_Dense/model.safetensors": "weights", name: content}
    with contextlib.suppress(EncoderError):
        assert read(tmp_path, files).max_length in range(1, 513)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(card=st.text() | st.text().map("---\nlanguage: {}\n---\n".format))
def test_any_card_is_read(tmp_path: Path, card: str) -> None:
    """Whatever stands in a model card, what it lists are codes of languages."""
    assert all(2 <= len(code) <= 3 for code in read(tmp_path, {"README.md": card}).languages)
