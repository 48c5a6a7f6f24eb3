"""How well noise is found: every detector and all together, on human translations with noise planted in them.

    python -m benchmarks.detect [--languages de,fr,cs,zh] [--opusfilter PYTHON] [--json FILE]

A calibration is learnt from Multi30k's val, test_2018_flickr and test_2017_flickr (zh: half of the images of
Flickr8k-CN's human test set), never from what it is tested on: test_2016_flickr and test_2017_mscoco (zh: the other
half). Tables: the AUC of each kind of noise, by each detector and together; F1 and average precision where 20 % are
noise of all kinds; calibration, on one half of such a file with what was learnt, without labels, from the other; what
the default rules drop of clean pairs; human judgements of machine translations (MLQE-PE, another domain); and the
speed of what both have. ``--opusfilter``: the Python of an environment with opusfilter 3.3.1 and fasttext, which is
then measured on the same file.
"""

import gzip
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from benchmarks.measuring import Report, Stopwatch, arguments, needed
from benchmarks.noisy_pairs import flickr8kcn, judgements, mixed, multi30k, with_hidden_noise
from filters.calibrate import calibrate
from filters.calibration import Calibration
from filters.calibration_report import expected_calibration_error, oriented
from filters.features import matrix
from filters.labelled import kinds_of
from filters.language import BUNDLED, LanguageIdentifier, plausible_labels
from filters.noise import KINDS
from filters.rules import expected_ratio, measure
from filters.similarity import load_teacher
from filters.thresholds import Thresholds
from filters.verdict import RULES, judge
from pipelines.config import ScoreConfig
from pipelines.judging import measured_cheaply
from pipelines.planting import Planter
from pipelines.scores import Meter
from pipelines.teachers import find_teacher
from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import Language, parse_language

Floats = npt.NDArray[np.float64]

E5 = "multilingual-e5-small"

SHORT = {
    "misaligned": "misal.",
    "near_miss": "near",
    "truncated": "trunc.",
    "extended": "ext.",
    "untranslated": "untr.",
    "wrong_language": "lang.",
    "repetition": "rep.",
    "number_changed": "number",
    "word_swap": "swap",
    "shuffled": "shuff.",
    "entity_dropped": "entity",
    "mojibake": "moji.",
}


def scores_of(calibration: Calibration, pairs: pa.Table) -> Floats:
    """Return the model's log-odds; what has no letter is known to be noise."""
    odds = calibration.log_odds(pairs)
    text = pc.match_substring_regex(pairs["target"], r"[\p{L}\p{N}]").to_numpy(zero_copy_only=False)
    return np.where(text, odds, -1e3)


def auc_table(code: str, calibration: Calibration, tested: pa.Table) -> Report:
    """Return AUC by detector and kind."""
    kinds = kinds_of(tested)
    there = [kind for kind in KINDS if (kinds == kind).any()]
    report = Report(
        f"{code}: AUC of each kind of noise, {int((kinds == '').sum()):,} clean rows in {tested.num_rows:,}",
        {"": "s", **{SHORT[kind]: ".3f" for kind in there}},
    )
    names = calibration.features
    groups = tested["group"].to_numpy()
    for name, values in [
        ("all together", scores_of(calibration, tested)),
        *oriented(matrix(tested, names), kinds == "", names),
    ]:
        aucs = []
        for kind in there:
            clean = kinds == ""
            if kind == "number_changed":  # only captions with a number can have this noise
                clean &= np.isin(groups, groups[kinds == kind])
            rows = clean | (kinds == kind)
            aucs.append(float(roc_auc_score(clean[rows], values[rows])))
        report.add(name, *aucs)
    return report


def best_f1(noisy: npt.NDArray[np.bool_], odds: Floats) -> tuple[float, float, float, float]:
    """Return the best F1 of finding the noise, its precision and recall, and average precision."""
    precision, recall, _ = precision_recall_curve(noisy, -odds)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    return float(f1[best]), float(precision[best]), float(recall[best]), float(average_precision_score(noisy, -odds))


def verdicts(pairs: pa.Table, thresholds: Thresholds) -> npt.NDArray[np.bool_]:
    """Return what the default rules drop."""
    judged = judge(pairs, rules=tuple(RULES), thresholds=thresholds)
    return np.asarray(~judged["keep"].to_numpy())


def f1_of(noisy: npt.NDArray[np.bool_], dropped: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of what was dropped."""
    hit = int((noisy & dropped).sum())
    precision, recall = hit / max(1, int(dropped.sum())), hit / max(1, int(noisy.sum()))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def opusfilter(python: str, pairs: pa.Table, code: str, rounds: int = 1) -> dict[str, Any]:
    """Run OpusFilter on ``pairs`` in its own environment and return what it says."""
    with tempfile.TemporaryDirectory() as folder:
        tsv, out = Path(folder) / "pairs.tsv", Path(folder) / "out.json"
        texts = zip(pairs["source"].to_pylist(), pairs["target"].to_pylist(), strict=True)
        tsv.write_text("".join(f"{source}\t{target}\n" for source, target in texts), "utf-8")
        script = Path(__file__).with_name("opusfilter_peer.py")
        command = [python, str(script), str(tsv), "--language", code, "--lid-model", str(BUNDLED), "--json", str(out)]
        subprocess.run([*command, "--rounds", str(rounds)], check=True, capture_output=True)
        found: dict[str, Any] = orjson.loads(out.read_bytes())
        return found


class Bench:
    """The models and tables of one run of this script."""

    def __init__(self, data: Path, peer: str | None) -> None:
        self.data = data
        self.peer = peer
        self.engine = Engine(resolve("mini"), decoding=Decoding(), device=Device())
        self.muse = load_teacher("muse")
        self.identifier = LanguageIdentifier()
        self.english = parse_language("en")
        self.f1 = Report(
            "20 % noise of all kinds",
            {"what": "s", "precision": ".3f", "recall": ".3f", "F1": ".3f", "average precision": ".3f"},
        )
        self.calibrated = Report(
            "Calibration error on other pairs: learnt from clean pairs; and from half of the file without its labels",
            {
                "language": "s",
                "clean": ".4f",
                "unlabelled": ".4f",
                "noise there": ".3f",
                "estimate": ".3f",
                "low": ".3f",
                "high": ".3f",
            },
        )
        self.rejects = Report(
            "What the default rules drop of clean pairs",
            {"language": "s", "pairs": ",d", "dropped": ".2%", "of 2 to 4 words": ",d", "of these dropped": ".2%"},
        )
        self.hidden = Report(
            "Calibrated on pairs with noise that nobody labelled, tested on others with as much",
            {
                "language": "s",
                "noise": ".3f",
                "estimate": ".3f",
                "low": ".3f",
                "high": ".3f",
                "calibration error": ".4f",
            },
        )
        self.one_kind = Report(
            "The same with one kind alone, and the mean probability of being clean of that noise and of clean pairs",
            {
                "language": "s",
                "kind": "s",
                "noise": ".3f",
                "estimate": ".3f",
                "low": ".3f",
                "high": ".3f",
                "of it": ".3f",
                "of clean": ".3f",
            },
        )
        self.human = Report(
            "MLQE-PE, on which nothing was tuned: human judgements of machine translations of Wikipedia",
            {"what": "s", "rows": ",d", "together": ".3f", "best": "s", "its": ".3f", "cos": ".3f", "lp": ".3f"},
        )

    def meter(self, language: Language) -> tuple[Meter, str]:
        """Return what measures ``language``, and the name of its teacher."""
        teacher, name = self.muse, "muse"
        if not teacher.knows(language.code):
            found = find_teacher(ScoreConfig(teacher=str(needed(self.data.parent / "models" / E5))))
            assert found is not None
            teacher, name = found[0].load(Device()), E5
        plausible = plausible_labels([self.english.lid_label, language.lid_label])
        return Meter(self.english, language, plausible, self.identifier, teacher, self.engine), name

    def run(self, code: str) -> Report:
        """Measure one language; return its table of AUC, the rest goes to the tables of all."""
        language = parse_language(code)
        meter, teacher = self.meter(language)
        thresholds = Thresholds.for_pairs(code, teacher)
        material = flickr8kcn(self.data, self.engine) if code == "zh" else multi30k(self.data, code)
        planter = Planter(meter, embed=self.muse.embed)
        learn = material.learn
        labelled = planter(learn, others=learn["other"].to_pylist(), seed=1, rounds=max(2, 12_000 // learn.num_rows))
        calibration = calibrate(labelled, language=code, thresholds=thresholds)
        test = material.test
        others = test["other"].to_pylist()
        tested = planter(test, others=others, seed=2, rounds=max(2, 9_000 // test.num_rows))
        report = auc_table(code, calibration, tested)
        left_out = {model: np.mean(list(found.values())) for model, found in calibration.report["left_out"].items()}
        report.notes.append(
            f"model {calibration.report['model']}; mean AUC on kinds left out of the fitting: "
            + ", ".join(f"{model} {auc:.4f}" for model, auc in left_out.items())
        )
        if not self.hidden.rows:  # many fittings: one language says it
            self._hidden(code, labelled, tested, thresholds)
        self._mixture(code, calibration, meter, test, thresholds)
        even = calibration.curve(calibration.log_odds(tested))
        clean = kinds_of(tested) == ""
        error = expected_calibration_error(even, clean, np.where(clean, 1 / clean.sum(), 1 / (~clean).sum()))
        self._halves(code, planter, meter, test, thresholds, error)
        self._false_rejects(code, meter, test, thresholds)
        self._human(code, calibration, meter)
        return report

    def _mixture(
        self, code: str, calibration: Calibration, meter: Meter, test: pa.Table, thresholds: Thresholds
    ) -> None:
        rounds = [mixed(meter, self.muse.embed, test, ratio=0.2, seed=seed) for seed in (11, 12)]
        pairs = pa.concat_tables(rounds)
        noisy = pairs["noise"].to_numpy()
        odds = scores_of(calibration, pairs)
        f1, precision, recall, average = best_f1(noisy, odds)
        self.f1.add(f"{code} together", precision, recall, f1, average)
        # What these two leave to win: a single word is another one, or missing.
        known = noisy & ~np.isin(kinds_of(pairs), ("word_swap", "entity_dropped"))
        f1, precision, recall, average = best_f1(noisy, np.where(known, odds.min() - 1, odds))
        self.f1.add(f"{code} were all but word_swap and entity_dropped known", precision, recall, f1, average)
        single = [
            (best_f1(noisy, values), name)
            for name, values in oriented(matrix(pairs, calibration.features), ~noisy, calibration.features)
        ]
        (f1, precision, recall, average), name = max(single)
        self.f1.add(f"{code} best alone: {name}", precision, recall, f1, average)
        precision, recall, f1 = f1_of(noisy, verdicts(pairs, thresholds))
        self.f1.add(f"{code} default rules", precision, recall, f1, None)
        if self.peer:
            found = opusfilter(self.peer, pairs, code)
            for name in ("asked", "recommended"):
                dropped = ~np.array(found["conjunctions"][name]["accept"], dtype=bool)
                precision, recall, f1 = f1_of(noisy, dropped)
                self.f1.add(f"{code} OpusFilter, {name}", precision, recall, f1, None)

    def _hidden(self, code: str, labelled: pa.Table, tested: pa.Table, thresholds: Thresholds) -> None:
        kinds = kinds_of(tested)
        clean, planted = kinds == "", sorted(set(kinds_of(labelled)) - {""})
        for wanted in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
            table, share = with_hidden_noise(labelled, wanted, planted)
            calibration = calibrate(table, language=code, thresholds=thresholds)
            probability = calibration.clean_probability(tested).to_numpy().astype(np.float64)
            weights = np.where(clean, (1 - share) / clean.sum(), share / (~clean).sum())
            rate = calibration.report["noise_rate"]
            error = expected_calibration_error(probability, clean, weights)
            self.hidden.add(code, share, rate["estimate"], rate["low"], rate["high"], error)
        for kind in planted:
            table, share = with_hidden_noise(labelled, 0.08, [kind])
            calibration = calibrate(table, language=code, thresholds=thresholds)
            probability = calibration.clean_probability(tested).to_numpy()
            rate = calibration.report["noise_rate"]
            of_clean, of_kind = (float(probability[rows].mean()) for rows in (clean, kinds == kind))
            self.one_kind.add(code, kind, share, rate["estimate"], rate["low"], rate["high"], of_kind, of_clean)

    def _halves(
        self, code: str, planter: Planter, meter: Meter, test: pa.Table, thresholds: Thresholds, with_labels: float
    ) -> None:
        """Calibrate on a file with 20 % noise that nobody labelled, and look at its other half."""
        file = mixed(meter, self.muse.embed, test, ratio=0.2, seed=21)
        file = file.filter(pc.match_substring_regex(file["target"], r"\p{L}"))
        half = np.arange(file.num_rows) % 2 == 0
        ours = file.filter(pa.array(half))
        labelled = planter(ours, others=ours["other"].to_pylist(), seed=3, rounds=8)
        calibration = calibrate(labelled, language=code, thresholds=thresholds)
        theirs = file.filter(pa.array(~half))
        probability = calibration.clean_probability(theirs).to_numpy().astype(np.float64)
        clean = ~theirs["noise"].to_numpy()
        rate = calibration.report["noise_rate"]
        error = expected_calibration_error(probability, clean)
        noise = float(ours["noise"].to_numpy().mean())
        self.calibrated.add(code, with_labels, error, noise, rate["estimate"], rate["low"], rate["high"])

    def _false_rejects(self, code: str, meter: Meter, test: pa.Table, thresholds: Thresholds) -> None:
        dropped = verdicts(measured_cheaply(meter.appended(test), meter.language), thresholds)
        words = pc.count_substring_regex(test["source"], r"\w+").to_numpy()
        few = (words >= 2) & (words <= 4)
        self.rejects.add(
            code, len(dropped), float(dropped.mean()), int(few.sum()), float(dropped[few].mean()) if few.any() else None
        )

    def _human(self, code: str, calibration: Calibration, meter: Meter) -> None:
        for name, source, target, good in judgements(self.data, code):
            pairs = pa.table({"source": source, "target": target})
            pairs = measured_cheaply(meter.appended(pairs), meter.language)
            binary = len(np.unique(good)) == 2
            well = good > (0 if binary else np.median(good))
            values = dict(oriented(matrix(pairs, calibration.features), well, calibration.features))
            values["together"] = scores_of(calibration, pairs)
            found = {
                name: float(roc_auc_score(good > 0, one)) if binary else spearman(good, one)
                for name, one in values.items()
            }
            together = found.pop("together")
            best = max(found, key=lambda name: found[name])
            what = f"{code} {name}, {'AUC' if binary else 'Spearman'}"
            self.human.add(what, len(good), together, best, found[best], found["similarity"], found["mt_logprob"])


def spearman(first: Floats, second: Floats) -> float:
    """Return the rank correlation; ties have their mean rank."""

    def ranks(values: Floats) -> Floats:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[inverse]

    if len(np.unique(second)) < 2:
        return 0.0
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


SHARED = ("length_ratio", "repetition", "loops", "numbers_differ")
"""The scores that OpusFilter has a filter for, beside language identification."""


def _pairs_per_second(
    identifier: LanguageIdentifier, table: pa.Table, language: Language, plausible: frozenset[str], only: Any
) -> float:
    """Return the most in five rounds, of one core: language identification and the scores ``only``, or all."""
    best = 0.0
    for _ in range(5):
        with Stopwatch() as watch:
            for start in range(0, table.num_rows, 8192):
                part = table.slice(start, 8192).combine_chunks()
                source, target = (part[name].combine_chunks() for name in ("source", "target"))
                identifier.identify(target, expected=language.lid_label, plausible=plausible)
                measure(
                    source,
                    target,
                    language=language.code,
                    script=language.script,
                    spaced=language.spaced,
                    expected_ratio=expected_ratio(language.code, language.script),
                    only=only,
                )
        best = max(best, table.num_rows / watch.cpu)
    return best


def speed(bench: Bench, codes: Sequence[str]) -> Report:
    """Return the pairs per second of one core of language identification with all rules, and of OpusFilter."""
    report = Report(
        "Pairs per CPU second of one core: language identification and rules",
        {
            "language": "s",
            "pairs": ",d",
            "all rules": ",.0f",
            "the shared": ",.0f",
            "OpusFilter": ",.0f",
            "ratio": ".1f",
        },
    )
    for code in codes:
        if code == "zh":
            table = flickr8kcn(bench.data, bench.engine).test
        else:
            lines = [
                gzip.decompress(needed(bench.data / "multi30k" / f"train.{one}.gz").read_bytes()).decode().split("\n")
                for one in ("en", code)
            ]
            table = pa.table({"source": lines[0][:-1], "target": lines[1][:-1]})
        language = parse_language(code)
        plausible = plausible_labels(["en", language.lid_label])
        every = _pairs_per_second(bench.identifier, table, language, plausible, None)
        shared = _pairs_per_second(bench.identifier, table, language, plausible, SHARED)
        peer = None
        if bench.peer:
            some = table.slice(0, 5000)
            found = opusfilter(bench.peer, some, code, rounds=5)
            peer = some.num_rows / found["conjunctions"]["asked"]["chained_seconds"]["cpu"]
        report.add(code, table.num_rows, every, shared, peer, shared / peer if peer else None)
    report.notes.append(
        "the shared: length, length ratio, repetition, numbers and language identification, which OpusFilter has too, "
        "in its own chained step, on the first 5,000"
    )
    return report


def main() -> None:
    """Print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--languages", default="de,fr,cs,zh")
    parser.add_argument("--opusfilter", metavar="PYTHON", help="of an environment with opusfilter 3.3.1 and fasttext")
    options = parser.parse_args()
    codes = options.languages.split(",")
    bench = Bench(options.data, options.opusfilter)
    reports = []
    for code in codes:
        reports.append(bench.run(code))
        reports[-1].show(None)
    reports += [
        bench.f1,
        bench.calibrated,
        bench.hidden,
        bench.one_kind,
        bench.rejects,
        bench.human,
        speed(bench, codes),
    ]
    for report in reports[len(codes) :]:
        report.show(None)
    if options.json:
        rows = {report.title: {"rows": report.rows, "notes": report.notes} for report in reports}
        options.json.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
