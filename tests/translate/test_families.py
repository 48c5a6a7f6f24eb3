"""Each family says through our engine what transformers says: the same tokens, the same log-probabilities."""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import POSITIONS, save_tiny

from translate.convert import convert
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.families import Family
from translate.languages import Language, parse_language
from translate.models import MINI, read_model

ENGLISH, GERMAN, CHINESE = (parse_language(code) for code in ("en", "de", "zh"))
LIMIT = 40
GREEDY = Decoding(beam_size=1, no_repeat_ngram_size=0, max_decoding_length=LIMIT, disable_unk=False)
NLLB_PAIR = ("eng_Latn", "deu_Latn")
FLOAT = Device(device="cpu", compute_type="float32", inter_threads=1)


@dataclass(frozen=True)
class Tiny:
    """One tiny random model: in transformers, and converted."""

    family: Family
    tokenizer: Any
    network: Any
    engine: Engine

    def ask(self, texts: list[str], target: Language) -> list[tuple[str, int, float]]:
        """Return what transformers' greedy search makes of each text: text, tokens and mean log-probability."""
        before, first = self.engine.model.asked(ENGLISH, target)
        forced = {"forced_bos_token_id": self.tokenizer.convert_tokens_to_ids(first)} if first else {}
        if first:
            self.tokenizer.src_lang = "en" if self.family is Family.M2M_100 else "eng_Latn"
        else:
            texts = [f"{before} {text}" for text in texts]
        asked = self.tokenizer(texts, return_tensors="pt", padding=True)
        pad, end = self.network.config.pad_token_id, self.network.config.eos_token_id
        never = {"bad_words_ids": [[pad]]} if self.family is Family.MARIAN else {}
        with torch.no_grad():
            made = self.network.generate(
                **asked, num_beams=1, do_sample=False, max_new_tokens=LIMIT + len(forced), **forced, **never
            )
            logits = self.network(**asked, decoder_input_ids=made).logits[:, :-1]
        if never:
            logits[:, :, pad] = float("-inf")
        logprobs = logits.log_softmax(-1).gather(2, made[:, 1:, None])[:, :, 0]
        found = []
        languages = set(self.tokenizer.convert_tokens_to_ids(list(self.engine.model.tokens.languages)))
        for ids, scores in zip(made[:, 1 + len(forced) :].tolist(), logprobs[:, len(forced) :].tolist(), strict=True):
            count = ids.index(end) + 1 if end in ids else len(ids)
            plain = [i for i in ids[:count] if i not in languages]
            text = self.tokenizer.decode(plain, skip_special_tokens=True)
            found.append((text, count, sum(scores[:count]) / count))
        return found


@pytest.fixture(scope="module", params=list(Family))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Return a tiny random model of each family, saved by transformers, converted and loaded by us."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    tokenizer, network = save_tiny(request.param, folder / "saved")
    convert(folder / "saved", folder / "converted", quantization="float32")
    model = read_model(folder / "converted", request.param)
    return Tiny(request.param, tokenizer, network, Engine(model, decoding=GREEDY, device=FLOAT))


def longest_text(family: Family) -> str:
    """Return a text that has as many pieces as the model has positions."""
    return " ".join(["dog"] * (POSITIONS - (3 if family is Family.T5 else 2)))  # T5's token is two pieces


def random_texts(family: Family, count: int) -> list[str]:
    """Return texts of random words of the captions, with an unknown character, one sign, and one at the limit."""
    draw = random.Random(3)
    lines = (MINI.parents[1] / "tools/captions.tsv").read_text("utf-8").splitlines()
    words = [word for line in lines[:500] for word in line.split("\t")[0].split()]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 15))) for _ in range(count - 3)]
    return [*texts, "A ☃ in the snow", ".", longest_text(family)]


@pytest.mark.parametrize("target", [GERMAN, CHINESE], ids=["de", "zh"])
def test_greedy_output_is_that_of_transformers(tiny: Tiny, target: Language) -> None:
    """Of 200 random texts each translation is transformers' own, and its log-probability too."""
    texts = random_texts(tiny.family, 200)
    found = tiny.engine.translate(texts, ENGLISH, target)
    wanted = [made for i in range(0, 200, 50) for made in tiny.ask(texts[i : i + 50], target)]
    assert found.targets == [text for text, _, _ in wanted]
    assert found.tokens == [tokens for _, tokens, _ in wanted]
    assert found.logprobs == pytest.approx([logprob for _, _, logprob in wanted], abs=1e-3)


def test_a_text_that_is_too_long(tiny: Tiny) -> None:
    """One piece more than the model has positions, and there is no translation."""
    text = longest_text(tiny.family)
    found = tiny.engine.translate([text, text + " dog", "a dog"], ENGLISH, GERMAN)
    assert [target is None for target in found.targets] == [False, True, False]


def test_a_model_that_never_ends(tiny: Tiny) -> None:
    """A random model never says the end: its translations are cut at the limit, the prefix left out, and flagged."""
    found = tiny.engine.translate(random_texts(tiny.family, 20), ENGLISH, GERMAN)
    assert found.tokens == [LIMIT] * 20
    assert found.unfinished == [True] * 20


@pytest.mark.parametrize("family", [Family.M2M_100, Family.NLLB])
def test_an_end_exactly_at_the_limit_counts_behind_a_prefix_too(family: Family, tmp_path: Path) -> None:
    """With room for just its tokens a translation is finished, and with room for one less it is not."""
    _, network = save_tiny(family, tmp_path / "saved")
    with torch.no_grad():
        network.model.shared.weight[network.config.eos_token_id] *= 4  # so that it does end now and then
    network.save_pretrained(tmp_path / "saved")
    convert(tmp_path / "saved", tmp_path / "converted", quantization="float32")
    model, texts = read_model(tmp_path / "converted", family), random_texts(family, 100)
    first = Engine(model, decoding=GREEDY, device=FLOAT).translate(texts, ENGLISH, GERMAN)
    assert first.unfinished == [tokens == LIMIT for tokens in first.tokens]

    text, tokens = next((text, n) for text, n in zip(texts, first.tokens, strict=True) if 1 < n < LIMIT)
    for limit, unfinished in ((tokens, False), (tokens - 1, True)):
        decoding = replace(GREEDY, max_decoding_length=limit)
        found = Engine(model, decoding=decoding, device=FLOAT).translate([text], ENGLISH, GERMAN)
        assert (found.tokens, found.unfinished) == ([limit], [unfinished])


def test_the_score_of_a_given_translation(tiny: Tiny) -> None:
    """Forced decoding gives the log-probabilities of any translation that transformers gives it."""
    texts = random_texts(tiny.family, 60)
    pairs = list(zip(texts[:30], texts[30:59], strict=False))
    before, first = tiny.engine.model.asked(ENGLISH, GERMAN)
    tokenizer, config = tiny.tokenizer, tiny.network.config
    for (text, given), score in zip(pairs, tiny.engine.score(pairs, ENGLISH, GERMAN), strict=True):
        if first:
            tokenizer.src_lang, tokenizer.tgt_lang = ("en", "de") if tiny.family is Family.M2M_100 else NLLB_PAIR
        asked = tokenizer(text if first else f"{before} {text}", return_tensors="pt")
        wanted = tokenizer(text_target=given, add_special_tokens=False).input_ids
        prefix = [config.decoder_start_token_id, *([tokenizer.convert_tokens_to_ids(first)] if first else [])]
        with torch.no_grad():
            logits = tiny.network(**asked, decoder_input_ids=torch.tensor([[*prefix, *wanted]])).logits[0]
        if tiny.family is Family.MARIAN:
            logits[:, config.pad_token_id] = float("-inf")
        ids = torch.tensor([*wanted, config.eos_token_id])
        logprobs = logits[len(prefix) - 1 :].log_softmax(-1).gather(1, ids[:, None])
        assert score is not None
        # In float32, of logits of which some are beyond 20: their last digits are the libraries' own.
        assert score.logprobs == pytest.approx(logprobs[:, 0].tolist(), abs=1e-3, rel=1e-4)


def test_a_translation_that_is_too_long_has_no_score(tiny: Tiny) -> None:
    """Either side may have more pieces than the model has positions."""
    long = "dog " * POSITIONS
    scores = tiny.engine.score([(long, "Hund"), ("dog", long), ("dog", "Hund")], ENGLISH, GERMAN)
    assert [score is None for score in scores] == [True, True, False]
