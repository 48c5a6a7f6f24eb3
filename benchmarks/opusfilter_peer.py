"""What OpusFilter's filters say of pairs, and what they cost: the other side of a comparison.

    opusfilter-env/bin/python benchmarks/opusfilter_peer.py PAIRS.tsv --language de \
        --lid-model filters/data/lid.176.ftz --json OUT [--rounds 3]

Runs where OpusFilter is installed and captionloom is not; with Python 3.11,

    python3.11 -m venv opusfilter-env && opusfilter-env/bin/pip install 'opusfilter[fasttext]==3.3.1'

PAIRS.tsv has an English source and its translation in each line, and no header; the translation may be empty. Both are
stripped on the right, as OpusFilter does when it reads. A conjunction accepts what all of its filters accept:

``asked``        language identification, length, length ratio, repetition, numbers;
``recommended``  every filter that ``opusfilter-autogen --method defaults`` writes into a configuration
                 (automatic_configuration.html), with fastText in the place of Lingua.

The thresholds are the defaults, which autogen writes too; the pages are under https://helsinki-nlp.github.io/OpusFilter:

- filters/length_filters.html: 1 to 100 words; the longer less than 3 times the shorter, in words (usage.html has both
  as its example) and, recommended, in characters; words shorter than 40 characters, of 2 to 20 on average;
- filters/script_and_language_identification_filters.html: fastText's first label is the language, however sure it is
  (0, as for CLD2 in the example qed_lm_langid.yaml); 0.75 of the characters are letters, and all letters of the script;
- filters/special_character_and_similarity_filters.html: nothing of 3 to 100 characters three times in a row; digits
  alike to 0.5; terminal punctuation -2; no HTML tag; longest common substring and similarity below 0.9.

Where a default rejects good captions for what has nothing to do with translation, a documented parameter is set, as a
careful user would, in OpusFilter's favour:

- white space is not counted among the characters of which 0.75 have to be letters (``exclude_whitespace``): the default
  rejects 1.6 to 8 % of human pairs, for short words;
- Chinese is measured in characters and English in words (units ``[word, char]``), with no second ratio in characters,
  which would reject 53 % of human pairs; a Chinese "word", which has no spaces around it, may be as long as the
  sentence may; 0.75 of its letters have to be Han, since "T恤" is Chinese too.

Seconds are of one process and of all pairs, the least of --rounds each; imports and the loading of the model are apart.
Those of a conjunction are given as the sum of its filters' and as ``chained``, which is OpusFilter's own ``filter``
step: what one filter rejects the next does not see.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

SCRIPTS = {"cs": "Latin", "de": "Latin", "es": "Latin", "fr": "Latin", "ru": "Cyrillic", "zh": "Han"}
"""Target languages, and the script that CharacterScoreFilter is to ask for."""
ASKED = ("length", "length_ratio", "repetition", "numbers", "language")

Pair = tuple[str, str]


@dataclass(frozen=True)
class Seconds:
    """CPU seconds of all threads of this process, and wall seconds."""

    cpu: float
    wall: float


def settings(language: str, lid_model: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the class and parameters of each filter, in autogen's order."""
    spaced = language != "zh"
    unit = "word" if spaced else ["word", "char"]
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "length": ("LengthFilter", {"unit": unit}),
        "length_ratio_characters": ("LengthRatioFilter", {"unit": "char"}),
        "length_ratio": ("LengthRatioFilter", {"unit": unit}),
        "long_word": ("LongWordFilter", {} if spaced else {"threshold": [40, 100]}),
        "html": ("HtmlTagFilter", {}),
        "word_length": ("AverageWordLengthFilter", {} if spaced else {"min_length": [2, 1], "max_length": [20, 100]}),
        "letters": ("AlphabetRatioFilter", {"exclude_whitespace": True}),
        "punctuation": ("TerminalPunctuationFilter", {}),
        "numbers": ("NonZeroNumeralsFilter", {}),
        "common_substring": ("LongestCommonSubstringFilter", {}),
        "similarity": ("SimilarityFilter", {}),
        "repetition": ("RepetitionFilter", {}),
        "script": (
            "CharacterScoreFilter",
            {"scripts": ["Latin", SCRIPTS[language]], **({} if spaced else {"thresholds": [1, 0.75]})},
        ),
        "language": ("FastTextFilter", {"languages": ["en", language], "model_path": str(lid_model)}),
    }
    if not spaced:
        del found["length_ratio_characters"]
    return found


def read(path: Path) -> list[Pair]:
    """Return the pairs of a TSV file; ends the script with one line where a line has not two columns."""
    pairs = []
    # Not by lines of text: a spoilt caption may have U+0085 or U+2028 in it.
    for number, line in enumerate(path.read_bytes().decode("utf-8").removesuffix("\n").split("\n"), 1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise SystemExit(f"{path}:{number}: {len(columns)} columns where a source and a target are wanted")
        pairs.append((columns[0].rstrip(), columns[1].rstrip()))
    return pairs


def timed(function: Callable[[], list[Any]], rounds: int = 1) -> tuple[list[Any], Seconds]:
    """Return what ``function`` returns, and the least seconds that it took."""
    spent = []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        result = function()
        spent.append(Seconds(time.process_time() - cpu, time.perf_counter() - wall))
    return result, Seconds(min(one.cpu for one in spent), min(one.wall for one in spent))


def load(chosen: dict[str, tuple[str, dict[str, Any]]]) -> list[Any]:
    """Return the filters."""
    from opusfilter import filters

    return [getattr(filters, kind)(**parameters) for kind, parameters in chosen.values()]


def chain(filters: Sequence[Any], pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that OpusFilter's ``filter`` step keeps."""
    from opusfilter.pipeline import FilterPipeline

    return list(FilterPipeline(list(filters)).filter(pairs))


def main(given: Sequence[str] | None = None) -> None:
    """Filter, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, metavar="PAIRS.tsv")
    parser.add_argument("--language", required=True, choices=sorted(SCRIPTS), help="of the targets")
    parser.add_argument("--lid-model", required=True, type=Path, metavar="FILE", help="lid.176.ftz")
    parser.add_argument("--json", required=True, type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(given)

    pairs = read(options.pairs)
    chosen = settings(options.language, options.lid_model)
    loaded, loading = timed(lambda: load(chosen))
    filters = dict(zip(chosen, loaded, strict=True))
    accepts: dict[str, list[bool]] = {}
    seconds: dict[str, Seconds] = {}
    for name, one in filters.items():
        accepts[name], seconds[name] = timed(
            lambda one=one: [bool(kept) for kept in one.decisions(pairs)], options.rounds
        )

    conjunctions = {}
    for title, names in {"asked": [name for name in filters if name in ASKED], "recommended": list(filters)}.items():
        kept, chained = timed(lambda names=names: chain([filters[name] for name in names], pairs), options.rounds)
        accept = [all(verdicts) for verdicts in zip(*(accepts[name] for name in names), strict=True)]
        if kept != [pair for pair, good in zip(pairs, accept, strict=True) if good]:
            raise SystemExit(f"{title}: OpusFilter's filter step and its filters one by one do not keep the same pairs")
        total = Seconds(sum(seconds[name].cpu for name in names), sum(seconds[name].wall for name in names))
        conjunctions[title] = {
            "filters": names,
            "accept": accept,
            "seconds": asdict(total),
            "chained_seconds": asdict(chained),
        }
        print(
            f"{title}: {sum(accept):,} of {len(pairs):,} pairs accepted; pairs a CPU second: "
            f"{len(pairs) / chained.cpu:,.0f} chained, {len(pairs) / total.cpu:,.0f} all filters on all pairs"
        )
    content = {
        "packages": {name: version(name) for name in ("opusfilter", "fasttext", "numpy", "regex")},
        "python": platform.python_version(),
        "language": options.language,
        "pairs": len(pairs),
        "rounds": options.rounds,
        "loading_seconds": asdict(loading),
        "filters": {
            name: {"class": kind, "parameters": parameters, "accept": accepts[name], "seconds": asdict(seconds[name])}
            for name, (kind, parameters) in chosen.items()
        },
        "conjunctions": conjunctions,
    }
    options.json.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
