"""Speed of translation: our engine and our whole pipeline between the bare engine and what people do today.

    python -m benchmarks.translate_speed [--model mini|base] [--captions 25014] [--rounds 3] [--json FILE]

All sides translate the same distinct captions of COCO val2017 to German with the same model, beam and limits:

a   one ``Translator.translate_batch`` of all sentences, tokenised and sorted beforehand: nothing but CTranslate2;
b   `translate.engine.Engine`, text in and text out, in the units that score makes, from as many threads as cores;
c   everything that ``captionloom score`` does, language identification and rules included (see score_speed): some
    1.5 s of it are Beam's and the same for a thousand captions as for a million;
d   ``transformers``: ``generate`` in batches of 32 captions as they come, float32, of the first --few captions;
e   a naive loop: ``translate_batch`` of 32 captions as they come, of the first --few captions.

``mini`` is the bundled model; for d its weights are unpacked to float32. ``base`` is a randomly initialised model of
OPUS-MT's size (6 + 6 layers, d 512, feed-forward 2048, mini's vocabulary); it never ends a sentence, so every
translation has --length tokens. Each side has a process of its own in each round and loads its model before it is
timed; the best round of each counts. The ratios are given in CPU seconds too, which other work on the machine
disturbs less.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.material import coco, some_coco
from benchmarks.measuring import Report, Stopwatch, alone, arguments, cores
from benchmarks.scoring import WARM_UP, Setting, bare, distinct, pipeline

COLUMNS = {
    "what": "s",
    "captions": ",.0f",
    "seconds": ",.2f",
    "captions/s": ",.1f",
    "CPU s": ",.2f",
    "over (a)": ".3f",
    "over (d)": ".1f",
}
SIDES = {
    "a": "(a) bare translate_batch, sorted",
    "b": "(b) our engine, text to text",
    "c": "(c) our pipeline, score and judge",
    "d": "(d) transformers generate, batches of 32",
    "e": "(e) naive translate_batch, batches of 32",
}
NAIVE = 32


@dataclass(frozen=True)
class Side:
    """One side of one round."""

    texts: int
    seconds: float
    cpu: float
    """Seconds of all threads."""

    @property
    def speed(self) -> float:
        """Captions a second."""
        return self.texts / self.seconds

    @property
    def cpu_speed(self) -> float:
        """Captions for each second of CPU time."""
        return self.texts / self.cpu


def time_bare(setting: Setting, hugging_face: str, few: int) -> Side:
    """Side (a)."""
    run = bare(setting, time.time())
    return Side(run.texts, run.translate.seconds, run.translate.cpu)


def time_engine(setting: Setting, hugging_face: str, few: int) -> Side:
    """Side (b)."""
    from pipelines.plan import make_plan
    from translate.engine import Engine

    plan = make_plan(setting.config(setting.captions))
    (language,) = plan.languages
    engine = Engine(language.model, decoding=plan.decoding, device=plan.device)
    engine.translate(distinct(setting.config(setting.warm_up)), plan.source, language.language)
    texts = distinct(setting.config(setting.captions))
    with Stopwatch() as timed, ThreadPoolExecutor(cores()) as pool:
        texts.sort(key=lambda text: (len(text), text))
        units = [texts[start : start + plan.unit_size] for start in range(0, len(texts), plan.unit_size)]
        list(pool.map(lambda unit: engine.translate(unit, plan.source, language.language), units))
    return Side(len(texts), timed.seconds, timed.cpu)


def time_pipeline(setting: Setting, hugging_face: str, few: int) -> Side:
    """Side (c)."""
    run = pipeline(setting, time.time())
    cpu = run.read.cpu + run.score.cpu + run.judge.cpu
    return Side(len(distinct(setting.config(setting.captions))), run.total, cpu)


def time_transformers(setting: Setting, hugging_face: str, few: int) -> Side:
    """Side (d)."""
    import torch
    from transformers import MarianMTModel, MarianTokenizer

    torch.set_num_threads(cores())
    tokenizer = MarianTokenizer.from_pretrained(hugging_face)
    network = MarianMTModel.from_pretrained(hugging_face).eval()
    beam = setting.config(setting.captions).translate.beam_size

    def run(texts: list[str]) -> None:
        for start in range(0, len(texts), NAIVE):
            asked = [f">>deu<< {text}" for text in texts[start : start + NAIVE]]
            with torch.inference_mode():
                made = network.generate(
                    **tokenizer(asked, return_tensors="pt", padding=True),
                    num_beams=beam,
                    max_new_tokens=setting.max_decoding_length,
                )
            tokenizer.batch_decode(made, skip_special_tokens=True)

    texts = distinct(setting.config(setting.captions))[:few]
    run(texts[:NAIVE])
    with Stopwatch() as timed:
        run(texts)
    return Side(len(texts), timed.seconds, timed.cpu)


def time_naive(setting: Setting, hugging_face: str, few: int) -> Side:
    """Side (e)."""
    import ctranslate2

    from pipelines.plan import make_plan
    from translate.tokenizers import load_tokenizer

    plan = make_plan(setting.config(setting.captions))
    (language,) = plan.languages
    tokenizer = load_tokenizer(language.model.path, language.model.family)
    token, _ = language.model.asked(plan.source, language.language)
    translator = ctranslate2.Translator(str(language.model.path), intra_threads=cores())

    def run(texts: list[str]) -> None:
        for start in range(0, len(texts), NAIVE):
            pieces = [[str(token), *one, "</s>"] for one in tokenizer.encode(texts[start : start + NAIVE])]
            results = translator.translate_batch(pieces, **asdict(plan.decoding))
            tokenizer.decode([result.hypotheses[0] for result in results])

    texts = distinct(setting.config(setting.captions))[:few]
    run(texts[:NAIVE])
    with Stopwatch() as timed:
        run(texts)
    return Side(len(texts), timed.seconds, timed.cpu)


TIMED = {"a": time_bare, "b": time_engine, "c": time_pipeline, "d": time_transformers, "e": time_naive}


def main(given: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--model", choices=("mini", "base"), default="mini")
    parser.add_argument("--captions", type=int, default=25_014, help="fewer: a subset, spread over the file")
    parser.add_argument("--few", type=int, default=320, help="captions for the slow sides d and e")
    parser.add_argument("--length", type=int, default=16, help="tokens of each translation by base")
    parser.add_argument("--rounds", type=int, default=3)
    options: argparse.Namespace = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hugging_face, model = _models(options.model, folder)
        setting = Setting(
            str(some_coco(coco(options.data), options.captions, folder)),
            str(some_coco(coco(options.data), WARM_UP, folder)),
            "none",
            model=model,
            **({"max_decoding_length": options.length} if options.model == "base" else {}),
        )
        found: dict[str, list[Side]] = {side: [] for side in SIDES}
        for turn in range(options.rounds):
            for side in list(SIDES)[:: 1 if turn % 2 == 0 else -1]:
                found[side].append(alone(TIMED[side], setting, hugging_face, options.few)[0])
    report = Report(f"Speed of translation, English to German, {options.model}", COLUMNS)
    best = {side: max(runs, key=lambda run: run.speed) for side, runs in found.items()}
    for side, title in SIDES.items():
        run = best[side]
        ratios = run.speed / best["a"].speed, run.speed / best["d"].speed
        report.add(title, run.texts, run.seconds, run.speed, min(one.cpu for one in found[side]), *ratios)
    for one, other, least in (("b", "a", 0.97), ("c", "a", 0.92), ("c", "d", 10)):
        rounds = [a.speed / b.speed for a, b in zip(found[one], found[other], strict=True)]
        cpu = max(run.cpu_speed for run in found[one]) / max(run.cpu_speed for run in found[other])
        report.notes.append(
            f"({one})/({other}): required >= {least}; best of each {best[one].speed / best[other].speed:.3f}, "
            f"median round {statistics.median(rounds):.3f}, in CPU seconds {cpu:.3f}"
        )
    report.show(options.json)


def _models(name: str, folder: Path) -> tuple[str, str]:
    """Return the model in Hugging Face's layout, and as the configuration names it."""
    from benchmarks.models import random_base, unpacked_mini

    if name == "mini":
        unpacked_mini(folder / "mini")
        return str(folder / "mini"), "mini"
    random_base(folder / "base")
    from translate.convert import convert

    convert(folder / "base", folder / "converted", quantization="int8")
    return str(folder / "base"), str(folder / "converted")


if __name__ == "__main__":
    main()
