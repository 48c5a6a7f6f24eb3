"""The engine with the bundled model: what it says, how sure it is, and that company changes nothing."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import ctranslate2
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from translate.decoding import Decoding, Device
from translate.engine import BatchLimit, Engine, Translations, padded_tokens
from translate.hub import resolve
from translate.languages import Language, parse_language
from translate.models import ModelError

ENGLISH, GERMAN, FRENCH, CZECH = (parse_language(code) for code in ("en", "de", "fr", "cs"))

CAPTIONS = ["A dog runs on the beach.", "Two children play football in the park.", "A man in a red shirt."]
TRANSLATED = {
    GERMAN: ["Ein Hund rennt am Strand.", "Zwei Kinder spielen im Park Football.", "Ein Mann in einem roten Hemd."],
    FRENCH: [
        "Un chien court sur la plage.",
        "Deux enfants jouent au football dans le parc.",
        "Un homme en T-shirt rouge.",
    ],
    CZECH: ["Pes běží po pláži.", "Dvě děti hrají fotbal v parku.", "Muž v červeném triku."],
}

FLOAT = Device(device="cpu", compute_type="float32", inter_threads=1)
TOO_LONG = "a b " * 400
LOOPING = "w" * 120
"""The bundled model never ends its translation, though no five pieces come twice in it."""


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
    found = engine.translate(CAPTIONS, ENGLISH, target)  # type: ignore[arg-type]
    assert found.targets == TRANSLATED[target]  # type: ignore[index]
    assert all(logprob is not None and -0.5 < logprob < 0 for logprob in found.logprobs)
    assert all(tokens > 3 for tokens in found.tokens)


def test_order(engine: Engine) -> None:
    """The engine sorts by length inside; its answers come in the order of the texts."""
    texts = [CAPTIONS[2], CAPTIONS[0], CAPTIONS[1], CAPTIONS[0]]
    german = TRANSLATED[GERMAN]
    assert engine.translate(texts, ENGLISH, GERMAN).targets == [german[2], german[0], german[1], german[0]]


def test_no_texts(engine: Engine) -> None:
    """Nothing in, nothing out."""
    assert engine.translate([], ENGLISH, GERMAN) == Translations()


def test_company_changes_nothing(engine: Engine) -> None:
    """A text is translated alike alone and among 500 others."""
    among = engine.translate([*crowd(250), *CAPTIONS, *crowd(500)[250:]], ENGLISH, GERMAN)
    alone = [engine.translate([text], ENGLISH, GERMAN) for text in CAPTIONS]
    assert among.targets[250:253] == [found.targets[0] for found in alone]
    assert among.logprobs[250:253] == pytest.approx([found.logprobs[0] for found in alone], abs=1e-3)
    assert among.tokens[250:253] == [found.tokens[0] for found in alone]


def test_a_text_too_long_for_the_model(engine: Engine) -> None:
    """A text with more pieces than the model has positions has no translation; its neighbours have theirs."""
    found = engine.translate([CAPTIONS[0], TOO_LONG, CAPTIONS[1]], ENGLISH, GERMAN)
    assert found.targets == [TRANSLATED[GERMAN][0], None, TRANSLATED[GERMAN][1]]
    assert found.logprobs[1] is None
    assert found.tokens[1] == 0


def test_only_texts_that_are_too_long(engine: Engine) -> None:
    """A unit of nothing but such texts is no special case."""
    assert engine.translate([TOO_LONG, TOO_LONG], ENGLISH, GERMAN) == Translations(
        [None, None], [None, None], [0, 0], [False, False], [[], []]
    )


def test_the_longest_text_that_fits(mini_copy: Path) -> None:
    """Language token and end of sentence count as positions: with just enough of them the text is taken."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(mini_copy / "source.spm")).encode(CAPTIONS[0])
    for spare, taken in ((0, True), (-1, False)):
        settings = {"source_lang": "eng", "model_max_length": len(pieces) + 2 + spare}
        (mini_copy / "tokenizer_config.json").write_text(json.dumps(settings))
        found = Engine(resolve(str(mini_copy)), decoding=Decoding(), device=FLOAT).translate(
            [CAPTIONS[0]], ENGLISH, GERMAN
        )
        assert (found.targets[0] is not None) is taken


@pytest.mark.parametrize("text", ["", " ", "😀", "中文", "A\u0301", "<unk> </s> >>fra<<", "▁▁", "\x00", "1" * 150])
def test_strange_texts(engine: Engine, text: str) -> None:
    """Whatever the text is, its translation is a text without the model's own marks, and the score is a score."""
    found = engine.translate([text], ENGLISH, GERMAN)
    target, logprob = found.targets[0], found.logprobs[0]
    assert target is not None
    assert logprob is not None
    assert not any(mark in target for mark in ("<unk>", "</s>", ">>", "▁"))
    assert logprob <= 0


def test_a_language_token_in_a_text_asks_for_nothing(engine: Engine) -> None:
    """Somebody's ``>>fra<<`` in a caption does not change the language of its translation."""
    found = engine.translate([f">>fra<< {CAPTIONS[0]}"], ENGLISH, GERMAN)
    assert found.targets[0] is not None
    assert "Un " not in found.targets[0]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
def test_logprob_is_the_mean_over_target_tokens(beam_size: int, length_penalty: float) -> None:
    """Whatever the length penalty, the log-probability is the mean that the model gives its own hypothesis."""
    model = resolve("mini")
    decoding = Decoding(beam_size=beam_size, length_penalty=length_penalty)
    found = Engine(model, decoding=decoding, device=FLOAT).translate(CAPTIONS, ENGLISH, GERMAN)

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
    found = Engine(resolve("mini"), decoding=Decoding(max_decoding_length=3), device=FLOAT).translate(
        CAPTIONS, ENGLISH, GERMAN
    )
    assert found.tokens == [3, 3, 3]
    assert all(logprob is not None and -1 < logprob < 0 for logprob in found.logprobs)


@pytest.mark.parametrize(("decoding", "longest"), [(Decoding(), 5), (Decoding(no_repeat_ngram_size=0), 9)])
def test_no_five_pieces_come_twice(decoding: Decoding, longest: int) -> None:
    """A model made to loop says a word five times in a row at most; without the default it says it nine times."""
    looping = replace(decoding, beam_size=1, repetition_penalty=0.01)
    found = Engine(resolve("mini"), decoding=looping, device=FLOAT).translate([CAPTIONS[0]], ENGLISH, GERMAN).targets[0]
    assert found is not None
    assert max(len(list(run)) for _, run in itertools.groupby(found.split())) == longest


def test_a_translation_has_at_most_three_pieces_for_one() -> None:
    """A model in a loop stops at three times its unit's longest source, or at 16 pieces."""
    decoding = Decoding(beam_size=1, repetition_penalty=0.01)
    found = Engine(resolve("mini"), decoding=decoding, device=FLOAT).translate(["A dog."], ENGLISH, GERMAN)
    assert found.tokens[0] <= 18


def test_a_caption_is_finished(engine: Engine) -> None:
    """What the model itself ended is not flagged."""
    assert engine.translate(CAPTIONS, ENGLISH, GERMAN).unfinished == [False, False, False]


def test_a_loop_is_unfinished(engine: Engine) -> None:
    """A translation that the model does not end is cut at the limit and flagged; its neighbours are not."""
    found = engine.translate([CAPTIONS[0], LOOPING, CAPTIONS[1]], ENGLISH, GERMAN)
    assert found.tokens[1] == 200
    assert found.unfinished == [False, True, False]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize(("limit", "tokens", "unfinished"), [(9, 8, False), (8, 8, False), (7, 7, True)])
def test_a_translation_that_ends_exactly_at_the_limit_is_finished(
    beam_size: int, limit: int, tokens: int, unfinished: bool
) -> None:
    """Seven pieces and their end are as many as eight: with room for seven alone there is the same text, but no end."""
    decoding = Decoding(beam_size=beam_size, max_decoding_length=limit)
    found = Engine(resolve("mini"), decoding=decoding, device=FLOAT).translate([CAPTIONS[0]], ENGLISH, GERMAN)
    assert found.targets == [TRANSLATED[GERMAN][0]]
    assert found.tokens == [tokens]
    assert found.unfinished == [unfinished]


def test_four_threads_at_once(engine: Engine) -> None:
    """Concurrent calls on one engine give what calls one after the other give."""
    units = [(crowd(40)[10 * i : 10 * i + 10], ENGLISH, target) for i in range(4) for target in (GERMAN, FRENCH)]
    one_by_one = [engine.translate(*unit) for unit in units]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda unit: engine.translate(*unit), units))
    assert at_once == one_by_one


def test_chinese(engine: Engine) -> None:
    """A language without spaces comes out without them, with its own full stop."""
    assert engine.translate(CAPTIONS[:2], ENGLISH, parse_language("zh")).targets == [
        "一只狗在沙滩上奔跑。",
        "两个孩子在公园里踢足球。",
    ]


@pytest.mark.parametrize(
    ("language", "first"),
    [
        (GERMAN, "A dog runs on the beach."),
        (FRENCH, "A dog runs on the beach."),
        (CZECH, "A dog is running on the beach."),
    ],
    ids=["de", "fr", "cs"],
)
def test_the_way_back(engine: Engine, language: Language, first: str) -> None:
    """The model's own translations come back as English."""
    back = engine.translate(TRANSLATED[language], language, ENGLISH).targets
    assert back[0] == first
    assert back[2] == "A man in a red shirt."


def test_a_language_without_a_token(engine: Engine) -> None:
    """A language that the model has not is refused, not translated into another."""
    with pytest.raises(ModelError, match="no token for Italian"):
        engine.translate(CAPTIONS, ENGLISH, parse_language("it"))


def test_a_model_that_the_engine_does_not_know(mini_copy: Path) -> None:
    """What only CTranslate2 sees when it loads a model is said by the model's name."""
    content = (mini_copy / "model.bin").read_bytes()
    (mini_copy / "model.bin").write_bytes(content.replace(b"TransformerSpec", b"TransmogrifSpec"))
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


def test_several_hypotheses() -> None:
    """The next best translations come with their scores, the best of all first, and none of them twice."""
    engine = Engine(resolve("mini"), decoding=Decoding(num_hypotheses=3), device=FLOAT)
    found = engine.translate(CAPTIONS, ENGLISH, GERMAN)
    for best, logprob, others in zip(found.targets, found.logprobs, found.others, strict=True):
        assert logprob is not None
        texts, scores = [best, *(text for text, _ in others)], [logprob, *(score for _, score in others)]
        assert 2 <= len(texts) == len(set(texts)) <= 3
        assert scores == sorted(scores, reverse=True)


def test_no_other_hypotheses_unless_asked(engine: Engine) -> None:
    """By default there is the best one alone."""
    assert engine.translate(CAPTIONS, ENGLISH, GERMAN).others == [[], [], []]


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1.5])
def test_the_score_of_the_models_own_translation(penalty: float) -> None:
    """Forced decoding of what the model has said gives the log-probability it said it with."""
    engine = Engine(resolve("mini"), decoding=Decoding(length_penalty=penalty), device=FLOAT)
    found = engine.translate(CAPTIONS, ENGLISH, GERMAN)
    pairs = [(caption, str(target)) for caption, target in zip(CAPTIONS, found.targets, strict=True)]
    scores = engine.score(pairs, ENGLISH, GERMAN)
    assert [score and score.mean for score in scores] == pytest.approx(found.logprobs, abs=1e-3)


def test_a_wrong_translation_scores_lower(engine: Engine) -> None:
    """A translation of another caption is less likely than the right one, and its least likely token shows it."""
    right, wrong = engine.score(
        [(CAPTIONS[0], TRANSLATED[GERMAN][0]), (CAPTIONS[0], TRANSLATED[GERMAN][1])], ENGLISH, GERMAN
    )
    assert right is not None
    assert wrong is not None
    assert right.mean > wrong.mean + 1
    assert min(right.logprobs) > min(wrong.logprobs) + 1


def test_no_pairs_to_score(engine: Engine) -> None:
    """Nothing in, nothing out."""
    assert engine.score([], ENGLISH, GERMAN) == []


class Memory:
    """A device with room for so many tokens, which counts what it is asked."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def __call__(self, limit: int) -> str:
        """Do the work, or have no memory for it."""
        self.asked.append(limit)
        if limit > self.room:
            raise RuntimeError("CUDA failed with error out of memory")
        return "done"


def test_a_batch_that_does_not_fit_is_halved(caplog: pytest.LogCaptureFixture) -> None:
    """The limit is halved until the batch fits, said, and kept for the batches that follow."""
    limit, memory = BatchLimit(1024), Memory(300)
    assert limit.run(memory, "m") == limit.run(memory, "m") == "done"
    assert memory.asked == [1024, 512, 256, 256]
    assert [record.message for record in caplog.records] == [
        "no memory for batches of 1024 tokens: from here on 512",
        "no memory for batches of 512 tokens: from here on 256",
    ]


def test_no_memory_for_a_single_text() -> None:
    """Where not even one text fits, the run ends with the model's name."""
    memory = Memory(0)
    with pytest.raises(ModelError, match=r"^model 'm' fails to translate: CUDA failed with error out of memory$"):
        BatchLimit(8).run(memory, "m")
    assert memory.asked == [8, 4, 2, 1]


def test_another_error_is_not_tried_again() -> None:
    """Only memory is a reason to try with less."""
    asked = []

    def broken(limit: int) -> None:
        asked.append(limit)
        raise RuntimeError("no such token")

    with pytest.raises(ModelError, match="no such token"):
        BatchLimit(8).run(broken, "m")
    assert asked == [8]


def test_padding_is_counted_batch_by_batch() -> None:
    """The longest come first, as many to a batch as fit at that length; one that is too long has its own."""
    assert padded_tokens([], 10) == 0
    assert padded_tokens([3, 5, 4], 15) == 3 * 5
    assert padded_tokens([3, 5, 4], 10) == 2 * 5 + 3
    assert padded_tokens([7, 20, 7], 14) == 20 + 2 * 7


@given(st.lists(st.integers(1, 60), max_size=200), st.integers(1, 600))
def test_padding_is_never_negative_and_none_among_equals(lengths: list[int], limit: int) -> None:
    """No batch has fewer tokens than its texts; of one length, there is no padding."""
    assert sum(lengths) <= padded_tokens(lengths, limit) <= len(lengths) * max(lengths, default=0)
    assert padded_tokens([7] * len(lengths), limit) == 7 * len(lengths)


def test_what_the_model_reads(engine: Engine) -> None:
    """Source tokens count the language token and the end; one batch is padded to its longest text."""
    found = engine.translate(CAPTIONS, ENGLISH, GERMAN)
    lengths = [len(pieces) + 2 for pieces in engine._tokenizer.encode(CAPTIONS)]
    assert (found.source_tokens, found.padded_tokens) == (sum(lengths), 3 * max(lengths))
