"""What people really feed a caption translator: nothing of it may give a loop, an empty string or a runaway."""

import itertools
import re
from collections import Counter

import pytest

from translate.decoding import Decoding, Device
from translate.engine import Engine
from translate.hub import resolve
from translate.languages import parse_language

DIRECTIONS = [("en", target) for target in ("de", "fr", "cs", "zh")] + [
    (source, "en") for source in ("de", "fr", "cs", "zh")
]

PLAIN = {
    "en": ["A brown dog runs across the green grass.", "Two women sit on a bench in the park."],
    "de": ["Ein brauner Hund rennt über das grüne Gras.", "Zwei Frauen sitzen auf einer Bank im Park."],
    "fr": ["Un chien brun court dans l'herbe verte.", "Deux femmes sont assises sur un banc dans le parc."],
    "cs": ["Hnědý pes běží po zelené trávě.", "Dvě ženy sedí na lavičce v parku."],
    "zh": ["一只棕色的狗跑过绿色的草地。", "两个女人坐在公园的长椅上。"],
}
SHORT = {
    "en": ["two dogs", "a bicycle", "Man running", "snowy mountains"],
    "de": ["zwei Hunde", "ein Fahrrad", "Mann rennt", "verschneite Berge"],
    "fr": ["deux chiens", "un vélo", "homme courant", "montagnes enneigées"],
    "cs": ["dva psi", "jedno kolo", "běžící muž", "zasněžené hory"],
    "zh": ["两只狗", "一辆自行车", "跑步的男人", "雪山"],
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return the bundled model with the default decoding options."""
    return Engine(resolve("mini"), decoding=Decoding(), device=Device(device="cpu", inter_threads=1))


def looped(text: str) -> bool:
    """Whether four words (of Chinese: eight characters) come three times, or one word four times in a row."""
    units = re.findall(r"[\u3400-\u9fff]", text) or text.lower().split()
    size = 8 if re.search(r"[\u3400-\u9fff]", text) else 4
    grams = Counter(tuple(units[i : i + size]) for i in range(len(units) - size + 1))
    runs = max((len(list(group)) for _, group in itertools.groupby(units)), default=0)
    return max(grams.values(), default=0) > 2 or runs > 3


def translated(engine: Engine, texts: list[str], source: str, target: str) -> list[str]:
    """Translate ``texts`` one unit each, and check what holds for every translation."""
    spoken, language = parse_language(source), parse_language(target)
    found = [engine.translate([text], spoken, language).targets[0] or "" for text in texts]
    for text, translation in zip(texts, found, strict=True):
        assert re.search(r"\w", translation), f"{text!r} gave {translation!r}"
        assert not looped(translation), f"{text!r} gave {translation!r}"
    return found


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_unknown_characters(engine: Engine, source: str, target: str) -> None:
    """An emoji, a letter of another script or a control character in a caption costs no more than itself."""
    for strange in ("😀", "ж", "ก", "☃", "\u200d", "𝔻"):
        changed = [f"{text} {strange}" for text in PLAIN[source]] + [f"{strange} {text}" for text in PLAIN[source]]
        plain = translated(engine, PLAIN[source] * 2, source, target)
        for one, other in zip(translated(engine, changed, source, target), plain, strict=True):
            assert len(one) <= 2 * len(other) + 10


@pytest.mark.parametrize(("source", "target"), [pair for pair in DIRECTIONS if pair[0] != "zh"])
def test_upper_case(engine: Engine, source: str, target: str) -> None:
    """A caption in capitals, which falls into single letters, has a translation of about its length."""
    texts = [text.upper() for text in PLAIN[source]]
    for text, translation in zip(texts, translated(engine, texts, source, target), strict=True):
        assert len(translation) <= 2 * len(text)


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_no_final_punctuation(engine: Engine, source: str, target: str) -> None:
    """Without its full stop a caption is translated as with it, but for the full stop."""
    with_stop = translated(engine, PLAIN[source], source, target)
    without = translated(engine, [text.rstrip(".。") for text in PLAIN[source]], source, target)
    for one, other in zip(with_stop, without, strict=True):
        assert abs(len(one.rstrip(".。")) - len(other.rstrip(".。"))) <= 0.4 * len(one)


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_two_words(engine: Engine, source: str, target: str) -> None:
    """Two words have a translation of a few words, not a sentence about something else."""
    for text, translation in zip(SHORT[source], translated(engine, SHORT[source], source, target), strict=True):
        assert len(translation) <= max(30, 3 * len(text))


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_sixty_words(engine: Engine, source: str, target: str) -> None:
    """A caption of sixty words is translated to its end, without a loop."""
    clauses = {
        "en": "A man in a red jacket stands near the river while two children play with a yellow ball on the grass.",
        "de": "Ein Mann in einer roten Jacke steht am Fluss, während zwei Kinder auf dem Gras mit einem Ball spielen.",
        "fr": "Un homme en veste rouge se tient près de la rivière tandis que deux enfants jouent avec un ballon.",
        "cs": "Muž v červené bundě stojí u řeky, zatímco si dvě děti hrají na trávě se žlutým míčem.",
        "zh": "一个穿红色夹克的男人站在河边，两个孩子在草地上玩黄色的球。",
    }
    others = {
        "en": "Behind them an old woman sells ice cream from a small cart, and a black dog sleeps under a table.",
        "de": "Hinter ihnen verkauft eine alte Frau Eis aus einem kleinen Wagen, und ein schwarzer Hund schläft.",
        "fr": "Derrière eux, une vieille femme vend de la glace dans un petit chariot, et un chien noir dort.",
        "cs": "Za nimi stará žena prodává zmrzlinu z malého vozíku a pod dřevěným stolem spí černý pes.",
        "zh": "他们身后，一位老妇人在小推车上卖冰淇淋，一只黑狗睡在木桌下面。",
    }
    thirds = {
        "en": "In the background there are tall mountains covered with snow and a small white boat on the blue water.",
        "de": "Im Hintergrund sind hohe, mit Schnee bedeckte Berge und ein kleines weißes Boot auf dem Wasser.",
        "fr": "À l'arrière-plan, il y a de hautes montagnes couvertes de neige et un petit bateau blanc sur l'eau.",
        "cs": "V pozadí jsou vysoké hory pokryté sněhem a malá bílá loď na modré vodě.",
        "zh": "背景是被雪覆盖的高山和蓝色水面上的一条白色小船。",
    }
    text = " ".join([clauses[source], others[source], thirds[source]])
    (translation,) = translated(engine, [text], source, target)
    wanted = " ".join([clauses[target], others[target], thirds[target]])
    assert 0.5 * len(wanted) <= len(translation) <= 2 * len(wanted)
