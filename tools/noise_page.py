"""Write the tables of docs/noise.md: what each kind of noise looks like, and what each detector says of it.

python tools/noise_page.py

The captions are the demo's and two of our own, the translations those of the bundled ``mini``. On another processor
the engine rounds otherwise, and a translation or a figure may differ a little.
"""

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

import pipelines.demo
from filters.corpus import Corpus, Row, folded
from filters.features import FEATURES
from filters.language import LanguageIdentifier, plausible_labels
from filters.noise import KINDS
from filters.rules import expected_ratio, measure
from filters.similarity import Teacher, load_teacher
from pipelines.judging import measured_cheaply
from pipelines.planting import Back, translator
from pipelines.scores import Meter
from translate.decoding import Decoding, Device
from translate.engine import Engine, Forced
from translate.hub import resolve
from translate.languages import Language, parse_language

PAGE: Final = Path(__file__).parents[1] / "docs" / "noise.md"
LANGUAGES: Final = ("de", "fr", "cs", "zh")
_OTHER: Final = {"de": "fr", "fr": "de", "cs": "de", "zh": "de"}
"""Language → that of the translations which ``wrong_language`` takes."""

_NUMBER: Final = "A man wears the number 25 on a white shirt."
_SIGN: Final = 'A man with a shirt that says "dog".'
_SHOWN: Final = {
    "A small blue and orange bird sits on a branch.": LANGUAGES,
    "Two people play trumpets while others play guitars.": ("de", "fr", "cs"),
    "Two black lamps hang from the ceiling in the corner of the room.": ("zh",),
}
"""Captions → the languages that ``mini`` translates them into well; the first that a kind suits is shown."""


@dataclass(frozen=True)
class Detector:
    """One row of the table of detectors."""

    values: str
    """Its range, and which end is good."""
    measures: str
    """What it is, with the source where there is one."""
    best: str
    """The kind of noise that it tells best: highest mean AUC in German, French and Chinese human captions."""
    example: str = ""
    """Which example shows it; by default that of ``best``."""
    decimals: int = 2


DETECTORS: Final[Mapping[str, Detector]] = {
    "lid_prob": Detector(
        "0 to 1, high is good",
        "probability of the target language, by fastText (Joulin et al. 2016) among the languages that short sentences "
        "of it are taken for",
        "wrong_language",
    ),
    "lid_other_prob": Detector("0 to 1, low is good", "the same of the likeliest other language", "wrong_language"),
    "similarity": Detector(
        "-1 to 1, high is good", "cosine of the teacher's embeddings (Yang et al. 2020 for `muse`)", "misaligned"
    ),
    "margin": Detector(
        "about 1 by chance, high is good",
        "that cosine over the mean to the four nearest other sentences on each side (Artetxe and Schwenk 2019)",
        "misaligned",
    ),
    "length_z": Detector(
        "0 is usual",
        "by how many standard deviations (1.4826 median distances) the length is off what the pairs around it have",
        "truncated",
    ),
    "mt_logprob": Detector(
        "at most 0, high is good",
        "mean log-probability that the model gives the tokens (Fomicheva et al. 2020)",
        "misaligned",
    ),
    "mt_min_logprob": Detector("at most 0, high is good", "that of the least likely token", "shuffled"),
    "mt_worst_logprob": Detector("at most 0, high is good", "mean of the least likely quarter", "misaligned"),
    "mt_pmi": Detector(
        "high is good",
        "pointwise mutual information (Church and Hanks 1990) of token and source, mean over the tokens: how much "
        "likelier the source makes it",
        "misaligned",
    ),
    "mt_min_pmi": Detector("high is good", "the least of it", "mojibake"),
    "mt_worst_pmi": Detector("high is good", "mean of its two least", "mojibake"),
    "back_chrf": Detector(
        "0 to 100, high is good",
        "chrF (Popović 2015) of the source and the translation of the translation",
        "misaligned",
        decimals=0,
    ),
    "back_similarity": Detector("-1 to 1, high is good", "the teacher's cosine of the same two", "misaligned"),
    "length_ratio": Detector("above 0, 1 is usual", "length over that expected in the language", "truncated"),
    "copy_ratio": Detector("0 to 1, low is good", "share of the words that stand in the source", "untranslated"),
    "repetition": Detector(
        "0 to 1, low is good", "share of bigrams (Chinese: 4-grams) said before, less the source's", "repetition"
    ),
    "loops": Detector(
        "count, 0 is good", "how often a phrase is said again at once, less the source's", "repetition", decimals=0
    ),
    "numbers_differ": Detector(
        "yes or no", "a number of the translation is not in the source", "number_changed", "digits"
    ),
    "number_words_differ": Detector("yes or no", "numbers written out in words differ", "number_changed"),
    "script_share": Detector(
        "0 to 1, high is good", "share of the letters that are of the language's script (UAX 24)", "wrong_language"
    ),
    "punctuation_difference": Detector(
        "from 0, low is good", "signs without a counterpart, per word of the source", "truncated"
    ),
    "ending_differs": Detector("yes or no", "one side ends in a full stop or the like, the other not", "truncated"),
    "unbalanced": Detector(
        "count, 0 is good", "brackets and quotation marks without a partner", "mojibake", "quotes", decimals=0
    ),
    "oddity": Detector(
        "0 to 1, low is good", "share of the characters in what was read in a wrong encoding, or lost", "mojibake"
    ),
}
"""The score's name → what is to be known of it, in the order of `FEATURES`."""


@dataclass(frozen=True)
class Example:
    """One pair, clean and with noise."""

    source: str
    clean: str
    noisy: str
    row: int
    """Of the captions."""
    scores: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Score → its value on the clean pair and on the noisy one."""


@dataclass(frozen=True)
class Wanted:
    """What an example is to be of."""

    kind: str
    captions: Sequence[str]
    notices: Sequence[str]
    """Cheap scores that have to tell the noisy pair from the clean one: the first noise that they do is shown."""


def wanted(name: str, code: str) -> Wanted:
    """Return what the example ``name``, a kind of noise or one of ``digits`` and ``quotes``, is of."""
    if name == "digits":
        return Wanted("number_changed", [_NUMBER], ["numbers_differ"])
    if name == "quotes":
        return Wanted("truncated", [_SIGN], ["unbalanced"])
    cheap = ("copy_ratio", "repetition", "loops", "number_words_differ", "ending_differs", "oddity")
    notices = [one for one in cheap if (DETECTORS[one].example or DETECTORS[one].best) == name]
    return Wanted(name, [caption for caption, codes in _SHOWN.items() if code in codes], notices)


EXAMPLES: Final = (*KINDS, "digits", "quotes")
_DRAWS: Final = 40
"""Noise of one pair that is tried."""


class _Once:
    """A model that is asked of every text once: the pairs around an example are the same in every table."""

    def __init__(self, ask: Callable[[list[Any]], Sequence[Any]]) -> None:
        self._ask: Final = ask
        self._known: Final[dict[Any, Any]] = {}

    def __call__(self, asked: Sequence[Any]) -> list[Any]:
        new = [one for one in dict.fromkeys(asked) if one not in self._known]
        self._known.update(zip(new, self._ask(new) if new else (), strict=True))
        return [self._known[one] for one in asked]


@dataclass(frozen=True)
class _Teacher:
    """As much of a `Teacher` as a `Meter` needs."""

    once: _Once

    def embed(self, texts: Sequence[str]) -> Any:
        return np.stack(self.once(texts))


@dataclass(frozen=True)
class _Reader:
    """As much of an `Engine` as a `Meter` needs."""

    once: _Once

    def score(self, pairs: Sequence[tuple[str, str]], _source: Language, _target: Language) -> list[Forced]:
        return self.once(pairs)


class Bench:
    """The models, and the captions in every language."""

    def __init__(self) -> None:
        self._english: Final = parse_language("en")
        self._engine: Final = Engine(resolve("mini"), decoding=Decoding(), device=Device())
        self._muse: Final[Teacher] = load_teacher("muse")
        self._embed: Final = _Once(lambda texts: list(self._muse.embed(texts)))
        self._identifier: Final = LanguageIdentifier()
        self.captions: Final = [*demo_captions(), _NUMBER, _SIGN]
        self._translations: Final = {
            code: self._engine.translate(self.captions, self._english, parse_language(code)).targets
            for code in LANGUAGES
        }

    def examples(self, code: str) -> dict[str, Example]:
        """Return an example of each of `EXAMPLES` in one language, with all scores."""
        language = parse_language(code)
        targets = self._translations[code]
        texts = zip(self.captions, targets, self._translations[_OTHER[code]], strict=True)
        corpus = Corpus([Row(*row) for row in texts], code, lambda texts: np.stack(self._embed(texts)))
        reads = _Once(lambda pairs: self._engine.score(pairs, self._english, language))
        meter = Meter(
            source=self._english,
            language=language,
            plausible=plausible_labels([self._english.lid_label, language.lid_label]),
            identifier=self._identifier,
            teacher=_Teacher(self._embed) if self._muse.knows(code) else None,  # type: ignore[arg-type]
            engine=_Reader(reads),  # type: ignore[arg-type]
        )
        back = _Once(translator(self._engine, language, self._english))
        clean = self._measured(meter, back, targets)
        found = {}
        for name in EXAMPLES:
            example = self._planted(wanted(name, code), corpus, code, language)
            noisy = self._measured(meter, back, [*targets[: example.row], example.noisy, *targets[example.row + 1 :]])
            scores = {one: (clean[one][example.row].as_py(), noisy[one][example.row].as_py()) for one in FEATURES}
            found[name] = Example(example.source, example.clean, example.noisy, example.row, scores)
        return found

    def _planted(self, asked: Wanted, corpus: Corpus, code: str, language: Language) -> Example:
        """Return the first noise, caption by caption, that is one and is noticed."""
        for caption in asked.captions:
            row = self.captions.index(caption)
            clean = self._translations[code][row]
            pair = Row(caption, clean, self._translations[_OTHER[code]][row])
            for seed in range(_DRAWS):
                [noisy] = KINDS[asked.kind].make(corpus, [pair], [random.Random(f"{code} {seed}")])
                if noisy is None or folded(noisy) == folded(clean):
                    continue
                before, after = (_cheap(caption, text, language) for text in (clean, noisy))
                if all(before[score] != after[score] for score in asked.notices):
                    return Example(caption, clean, noisy, row)
        raise ValueError(f"{code}: no caption suits {asked}")

    def _measured(self, meter: Meter, back: Back, targets: Sequence[str]) -> pa.Table:
        """Return all scores of the captions with ``targets``."""
        pairs = pa.table({"source": self.captions, "target": targets})
        source, target = (pairs[name].combine_chunks() for name in ("source", "target"))
        measured = meter(source, target, pa.array(back(targets), pa.string()))
        for name in measured.column_names:
            pairs = pairs.append_column(name, measured[name])
        return measured_cheaply(pairs, meter.language)


def _cheap(source: str, target: str, language: Language) -> dict[str, Any]:
    values = measure(
        pa.array([source]),
        pa.array([target]),
        language=language.code,
        script=language.script,
        spaced=language.spaced,
        expected_ratio=expected_ratio(language.code, language.script),
    )
    return {name: column[0].as_py() for name, column in values.items()}


def demo_captions() -> Iterator[str]:
    """Yield the captions of the demo, in their order."""
    content = Path(pipelines.demo.__file__).with_name("captions.jsonl").read_text("utf-8")
    for line in content.splitlines():
        yield from json.loads(line)["captions"]


def shown(text: str) -> str:
    """Return ``text`` as a cell of a table has it: what cannot be seen is named."""
    if not text.strip():
        return "(white space)" if text else "(nothing)"
    visible = "".join(
        character if character.isprintable() else f"\\x{ord(character):02x}" for character in text.strip()
    )
    return visible.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def value(found: Any, decimals: int) -> str:
    """Return a score as a cell has it; a dash where there is none."""
    if found is None:
        return "–"
    if isinstance(found, bool):
        return "yes" if found else "no"
    return f"{round(found, decimals) + 0.0:.{decimals}f}"  # + 0.0: no -0.00


def _table(name: str, header: str, rows: Iterable[str]) -> str:
    line = "|" + "---|" * header.count("|", 1)
    return "\n".join([f"<!-- {name} -->", header, line, *rows, f"<!-- end of {name} -->"])


def tables(examples: Mapping[str, Mapping[str, Example]]) -> dict[str, str]:
    """Return the tables by the name of their place in the page; ``examples``: language → name → example."""
    found = {}
    for name in EXAMPLES:
        each = {code: of[name] for code, of in examples.items()}
        rows = [
            f"| {code} | {shown(one.source)} | {shown(one.clean)} | {shown(one.noisy)} |" for code, one in each.items()
        ]
        found[name] = _table(name, "| | caption | clean | with noise |", rows)
    found["detectors"] = _table(
        "detectors",
        "| score | values | what it measures | tells best |",
        [f"| `{name}` | {one.values} | {one.measures} | `{one.best}` |" for name, one in DETECTORS.items()],
    )
    rows = []
    for name, one in DETECTORS.items():
        pairs = [of[one.example or one.best].scores[name] for of in examples.values()]
        cells = " | ".join(
            "–" if clean is None and noisy is None else f"{value(clean, one.decimals)} → {value(noisy, one.decimals)}"
            for clean, noisy in pairs
        )
        rows.append(f"| `{name}` | {_TITLES.get(one.example, f'`{one.best}`')} | {cells} |")
    found["values"] = _table("values", f"| score | example | {' | '.join(examples)} |", rows)
    return found


_TITLES: Final = {"digits": "`number_changed`, in digits", "quotes": "`truncated`, at a quotation mark"}


def filled(page: str, found: Mapping[str, str]) -> str:
    """Return ``page`` with every table put in its place."""
    for name, table in found.items():
        place = re.compile(rf"<!-- {name} -->(.*<!-- end of {name} -->)?", re.DOTALL)
        page = place.sub(lambda _, table=table: table, page)
    return page


if __name__ == "__main__":
    bench = Bench()
    found = tables({code: bench.examples(code) for code in LANGUAGES})
    PAGE.write_text(filled(PAGE.read_text("utf-8"), found), "utf-8")
