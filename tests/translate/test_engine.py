"""The engine with the bundled model: what it says, how sure it is, and that company changes nothing."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import ctranslate2
import pytest
import sentencepiece

from translate.decoding import Decoding, Device
from translate.engine import Engine, Translations
from translate.languages import Language, parse_language
from translate.models import MINI, ModelError, resolve
from translate.tokenizers import MarianTokenizer

GERMAN, FRENCH, CZECH = (parse_language(code) for code in ("de", "fr", "cs"))

CAPTIONS = ["A dog runs on the beach.", "Two children play football in the park.", "A man in a red shirt."]
TRANSLATED = {
    GERMAN: ["Ein Hund rennt am Strand.", "Zwei Kinder spielen im Park Fußball.", "Ein Mann in einem roten Hemd."],
    FRENCH: [
        "Un chien court sur la plage.",
        "Deux enfants jouent au football dans le parc.",
        "Un homme en T-shirt rouge.",
    ],
    CZECH: ["Pes běží na pláži.", "Dvě děti hrají fotbal v parku.", "Muž v červeném triku."],
}

FLOAT = Device(device="cpu", compute_type="float32", inter_threads=1)
TOO_LONG = "a b " * 400


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return the bundled model in float32, so that its words do not depend on the processor."""
    return Engine(resolve("mini"), decoding=Decoding(), device=FLOAT)


def crowd(size: int) -> list[str]:
    """Return ``size`` different captions of much the same length as `CAPTIONS`."""
    people, places = ["man", "woman", "child", "dog", "girl"], ["beach", "street", "grass", "roof", "bench"]
    return [f"A {people[i % 5]} with {i} balls on a {places[i // 5 % 5]}." for i in range(size)]


@pytest.mark.parametrize("target", [GERMAN, FRENCH, CZECH], ids=lambda language: language.code)
def test_translations(engine: Engine, target: object) -> None:
    """Plain captions come out as they should, in their order, with a sensible log-probability."""
    found = engine.translate(CAPTIONS, target)  # type: ignore[arg-type]
    assert found.targets == TRANSLATED[target]  # type: ignore[index]
    assert all(logprob is not None and -0.5 < logprob < 0 for logprob in found.logprobs)
    assert all(tokens > 3 for tokens in found.tokens)


def test_order(engine: Engine) -> None:
    """The engine sorts by length inside; its answers come in the order of the texts."""
    texts = [CAPTIONS[2], CAPTIONS[0], CAPTIONS[1], CAPTIONS[0]]
    german = TRANSLATED[GERMAN]
    assert engine.translate(texts, GERMAN).targets == [german[2], german[0], german[1], german[0]]


def test_no_texts(engine: Engine) -> None:
    """Nothing in, nothing out."""
    assert engine.translate([], GERMAN) == Translations([], [], [])


def test_company_changes_nothing(engine: Engine) -> None:
    """A text is translated alike alone and among 500 others."""
    among = engine.translate([*crowd(250), *CAPTIONS, *crowd(500)[250:]], GERMAN)
    alone = [engine.translate([text], GERMAN) for text in CAPTIONS]
    assert among.targets[250:253] == [found.targets[0] for found in alone]
    assert among.logprobs[250:253] == pytest.approx([found.logprobs[0] for found in alone], abs=1e-3)
    assert among.tokens[250:253] == [found.tokens[0] for found in alone]


def test_a_text_too_long_for_the_model(engine: Engine) -> None:
    """A text with more pieces than the model has positions has no translation; its neighbours have theirs."""
    found = engine.translate([CAPTIONS[0], TOO_LONG, CAPTIONS[1]], GERMAN)
    assert found.targets == [TRANSLATED[GERMAN][0], None, TRANSLATED[GERMAN][1]]
    assert found.logprobs[1] is None
    assert found.tokens[1] == 0


def test_only_texts_that_are_too_long(engine: Engine) -> None:
    """A unit of nothing but such texts is no special case."""
    assert engine.translate([TOO_LONG, TOO_LONG], GERMAN) == Translations([None, None], [None, None], [0, 0])


def test_the_longest_text_that_fits(mini_copy: Path) -> None:
    """Language token and end of sentence count as positions: with just enough of them the text is taken."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(mini_copy / "source.spm")).encode(CAPTIONS[0])
    for spare, taken in ((0, True), (-1, False)):
        settings = {"source_lang": "eng", "model_max_length": len(pieces) + 2 + spare}
        (mini_copy / "tokenizer_config.json").write_text(json.dumps(settings))
        found = Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT).translate([CAPTIONS[0]], GERMAN)
        assert (found.targets[0] is not None) is taken


@pytest.mark.parametrize("text", ["", " ", "😀", "中文", "A\u0301", "<unk> </s> >>fra<<", "▁▁", "\x00", "1" * 150])
def test_strange_texts(engine: Engine, text: str) -> None:
    """Whatever the text is, its translation is a text without the model's own marks, and the score is a score."""
    found = engine.translate([text], GERMAN)
    target, logprob = found.targets[0], found.logprobs[0]
    assert target is not None
    assert logprob is not None
    assert not any(mark in target for mark in ("<unk>", "</s>", ">>", "▁"))
    assert logprob <= 0


def test_a_language_token_in_a_text_asks_for_nothing(engine: Engine) -> None:
    """Somebody's ``>>fra<<`` in a caption does not change the language of its translation."""
    found = engine.translate([f">>fra<< {CAPTIONS[0]}"], GERMAN)
    pieces = MarianTokenizer(MINI).encode([">>fra<< A dog."], token=">>deu<<")[0]
    assert ">>fra<<" not in pieces
    assert pieces[0] == ">>deu<<"
    assert found.targets[0] is not None
    assert "Un " not in found.targets[0]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
def test_logprob_is_the_mean_over_target_tokens(beam_size: int, length_penalty: float) -> None:
    """Whatever the length penalty, the log-probability is the mean that the model gives its own hypothesis."""
    model = resolve("mini")
    decoding = Decoding(beam_size=beam_size, length_penalty=length_penalty)
    found = Engine(model, decoding=decoding, device=FLOAT).translate(CAPTIONS, GERMAN)

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model.path / "source.spm"))
    sources = [[">>deu<<", *pieces.encode(text, out_type=str), "</s>"] for text in CAPTIONS]
    translator = ctranslate2.Translator(str(model.path), device="cpu", compute_type="float32", inter_threads=1)
    results = translator.translate_batch(sources, **asdict(decoding))
    scored = translator.score_batch(sources, [result.hypotheses[0] for result in results])

    means = [sum(score.log_probs) / len(score.log_probs) for score in scored]
    assert found.logprobs == pytest.approx(means, abs=1e-3)
    assert found.tokens == [len(score.log_probs) for score in scored]


def test_a_translation_that_is_cut_off_has_its_mean_too() -> None:
    """Where decoding stops at its limit there is no end of sentence to count."""
    found = Engine(resolve("mini"), decoding=Decoding(max_decoding_length=3), device=FLOAT).translate(CAPTIONS, GERMAN)
    assert found.tokens == [3, 3, 3]
    assert all(logprob is not None and -1 < logprob < 0 for logprob in found.logprobs)


@pytest.mark.parametrize(("decoding", "longest"), [(Decoding(), 5), (Decoding(no_repeat_ngram_size=0), 12)])
def test_no_five_pieces_come_twice(decoding: Decoding, longest: int) -> None:
    """A model made to loop says a word five times in a row at most; without the default it says it twelve times."""
    looping = replace(decoding, beam_size=1, repetition_penalty=0.01)
    found = Engine(resolve("mini"), decoding=looping, device=FLOAT).translate([CAPTIONS[0]], GERMAN).targets[0]
    assert found is not None
    assert max(len(list(run)) for _, run in itertools.groupby(found.split())) == longest


def test_a_translation_has_at_most_three_pieces_for_one() -> None:
    """A model in a loop stops at three times its unit's longest source, or at 16 pieces."""
    decoding = Decoding(beam_size=1, repetition_penalty=0.01)
    found = Engine(resolve("mini"), decoding=decoding, device=FLOAT).translate(["A dog."], GERMAN)
    assert found.tokens[0] <= 18


def test_four_threads_at_once(engine: Engine) -> None:
    """Concurrent calls on one engine give what calls one after the other give."""
    units = [(crowd(40)[10 * i : 10 * i + 10], target) for i in range(4) for target in (GERMAN, FRENCH)]
    one_by_one = [engine.translate(*unit) for unit in units]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda unit: engine.translate(*unit), units))
    assert at_once == one_by_one


def test_chinese(engine: Engine) -> None:
    """A language without spaces comes out without them, with its own full stop."""
    assert engine.translate(CAPTIONS[:2], parse_language("zh")).targets == [
        "一只狗在沙滩上奔跑。",
        "两个孩子在公园里踢足球。",
    ]


@pytest.mark.parametrize("language", [GERMAN, FRENCH, CZECH], ids=lambda language: language.code)
def test_the_way_back(engine: Engine, language: Language) -> None:
    """The model's own translations come back as English."""
    back = engine.translate(TRANSLATED[language], parse_language("en")).targets
    assert back[0] == "A dog runs on the beach."
    assert back[2] == "A man in a red shirt."


def test_a_language_without_a_token(engine: Engine) -> None:
    """A language that the model has not is refused, not translated into another."""
    with pytest.raises(ModelError, match="no token for Italian"):
        engine.translate(CAPTIONS, parse_language("it"))


@pytest.mark.parametrize("kept", [0, 3, 1000, 100_000])
def test_a_truncated_model(mini_copy: Path, kept: int) -> None:
    """A model that was not copied to its end is refused by name."""
    content = (mini_copy / "model.bin").read_bytes()
    (mini_copy / "model.bin").write_bytes(content[:kept])
    with pytest.raises(ModelError, match=rf"^model '{mini_copy}' does not load from {mini_copy}: "):
        Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT)


@pytest.mark.parametrize("file", ["source.spm", "target.spm"])
@pytest.mark.parametrize("kept", [0, 1000])
def test_a_truncated_tokenizer(mini_copy: Path, file: str, kept: int) -> None:
    """A SentencePiece model that was not copied to its end is refused by the model's name."""
    content = (mini_copy / file).read_bytes()
    (mini_copy / file).write_bytes(content[:kept])
    with pytest.raises(ModelError, match="does not load"):
        Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_broken_configuration(mini_copy: Path, content: str) -> None:
    """CTranslate2's own configuration is read when the model loads."""
    (mini_copy / "config.json").write_text(content)
    with pytest.raises(ModelError, match="does not load"):
        Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT)


def test_a_vocabulary_that_is_not_the_models(mini_copy: Path) -> None:
    """A vocabulary of another model shows when the first text is translated."""
    (mini_copy / "shared_vocabulary.json").write_text('["<unk>", "</s>", ">>deu<<"]')
    engine = Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT)
    with pytest.raises(ModelError, match="fails to translate"):
        engine.translate(CAPTIONS, GERMAN)


@pytest.mark.parametrize(
    "device",
    [
        Device(device="tpu"),
        Device(device="cpu", compute_type="int3"),
        pytest.param(
            Device(device="cuda"),
            marks=pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU here"),
        ),
    ],
    ids=["tpu", "int3", "cuda"],
)
def test_a_device_that_is_not_there(device: Device) -> None:
    """Settings that this machine cannot do are refused by the model's name."""
    with pytest.raises(ModelError, match=r"^model 'mini' does not load"):
        Engine(resolve("mini"), decoding=Decoding(), device=device)
