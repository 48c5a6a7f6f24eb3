import gzip
import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.corpus import Corpus, Row
from filters.noise_kinds import KINDS
from filters.signs import ending_differs, oddity, punctuation_difference, unbalanced

PAIRWISE = (punctuation_difference, ending_differs, unbalanced)


def strings(*texts):
    """Return texts as an Arrow array."""
    return pa.array(texts, pa.string())


def alone(measure, *texts):
    """Return what one pair or text has, rounded to three decimals."""
    value = measure(*(strings(text) for text in texts))[0].as_py()
    return round(value, 3) if isinstance(value, float) else value


def test_types():
    """Differences and oddity are float32, endings bool, and brackets int32."""
    pair = strings("a"), strings("b")
    assert [str(measure(*pair).type) for measure in PAIRWISE] == ["float", "bool", "int32"]
    assert str(oddity(strings("a")).type) == "float"


@pytest.mark.parametrize(
    ("source", "target", "difference"),
    [
        ("A dog runs.", "Ein Hund rennt.", 0.0),
        ("A dog runs.", "Ein Hund rennt", 0.25),  # 1 of 3 + 1
        ("A dog runs", "一只狗在跑。", 0.25),
        ("A dog runs .", "一只狗在跑。", 0.0),
        ("Who runs?", "谁在跑？", 0.0),
        ("Who runs?", "Wer rennt!", 0.667),  # one missing, one too many: 2 of 2 + 1
        ('He says: "go"', "Er sagt： «los»", 0.0),
        ('He says "go"', "Er sagt los", 0.5),
        ("A dog (brown)", "Ein Hund （braun）", 0.0),
        ("A dog, a cat", "Ein Hund, der, äh, eine Katze", 0.0),  # commas do not count
        ("It is 3.5 m at 10:30", "Es sind 3,5 m um 10 Uhr 30", 0.0),
        ("A dog...", "Ein Hund.", 0.0),
        ("", "", 0.0),
    ],
)
def test_punctuation_difference(source, target, difference):
    """Signs without a counterpart of their class, over the words of the source and one; forms are equal."""
    assert alone(punctuation_difference, source, target) == difference


@pytest.mark.parametrize(
    ("source", "target", "differs"),
    [
        ("A dog.", "Ein Hund!", False),
        ("A dog.", "Ein Hund", True),
        ("A dog", "一只狗。", True),
        ('A "dog."', "Ein „Hund.“ ", False),
        ("(A dog.)", "一只狗）", True),
        ("A dog", "Ein Hund,", False),
        ("A dog. Run", "Ein Hund", False),
        ("A dog.", "", True),
        ("A dog.", "สุนัข", None),
        ("A dog.", "ខ្មែរ", None),
    ],
)
def test_ending_differs(source, target, differs):
    """Whether just one has a sentence-final sign; quotes may follow it, and scripts without one tell nothing."""
    assert alone(ending_differs, source, target) is differs


@pytest.mark.parametrize(
    ("source", "target", "single"),
    [
        ("A dog", "Ein (Hund", 1),
        ("A dog", "Ein (Hund))", 1),
        ("A (dog", "Ein [Hund", 0),  # no worse than the source
        ("A dog", '„Hund“ »Hund« «chien» “pes” "dog" «hund»', 0),
        ("A dog", "„Hund", 1),
        ("A dog", "L'homme n’a pas d'os", 0),
        ("A dog", "「狗《狗》（狗）", 1),
        ("A dog", "（狗)", 0),
        ("A dog", "([{", 3),
    ],
)
def test_unbalanced(source, target, single):
    """Brackets and quotation marks without a partner, in any of the styles; apostrophes are none."""
    assert alone(unbalanced, source, target) == single


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Ein Mann", 0.0),
        ("M\ufffdnner gehen", 0.5),
        ("Un chien \ufffd la mer", 0.235),  # a word counts for four characters at least: 4 of 17
        ("M?nner gehen", 0.5),
        ("Wer? Männer? Wo?Da", 0.0),
        ("a\x07b", 1.0),
        ("a\tb\n", 0.0),
        ("\ue000 Mann", 0.667),
        ("\U000f0000 Mann", 0.667),
        ("Mann \U0001f600", 0.0),
        ("Tom & Jerry, H&M", 0.0),
        ("MÃ¤nner gehen", 0.538),  # 7 of 13
        ("MÃƒÂ¤nner", 1.0),
        ("itâ€™s", 1.0),
        ("Ã–sterreich", 1.0),
        ("Ã\xa0 Paris", 0.5),
        ("mÄ›sto", 1.0),
        ("mÄ›sto zelenĂ©", 0.929),  # 13 of 14
        ("PÅ™Ã\xadbÄ›h", 1.0),
        ("Viá»‡t", 1.0),
        ("РїСЂРёРІРµС‚", 1.0),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", 1.0),
        ("一只狗在跑".encode().decode("cp1252", "replace"), 0.733),  # 11 of 15
    ],
)
def test_oddity(text, share):
    """The share of the characters that belong to broken words."""
    assert alone(oddity, text) == share


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("一个男人在海滩上骑马，旁边有一只狗。", "gbk"),
        ("男の人が犬と海岸を走っている。", "cp932"),
        ("한 남자가 해변에서 말을 타고 있다.", "cp949"),
        ("Мужчина едет верхом по пляжу.", "cp1251"),
        ("Ένας άνδρας ιππεύει στην παραλία.", "cp1253"),
        ("Sahilde ata binen bir adam, güneş çok sıcak.", "cp1254"),
        ("גבר רוכב על סוס בחוף הים.", "cp1255"),
        ("رجل يركب حصانا على الشاطئ", "cp1256"),
        ("Người đàn ông cưỡi ngựa trên bãi biển.", "cp1252"),
        ("Mężczyzna jedzie konno po plaży.", "cp1250"),
    ],
)
def test_utf8_read_in_another_encoding_is_odd(text, encoding):
    """The text itself is not odd; read as what its language was written in before, it is."""
    assert alone(oddity, text) == 0.0
    assert alone(oddity, text.encode().decode(encoding, "replace")) > 0.1


@pytest.mark.parametrize(
    "text",
    [
        "não, o AVIÃO e a MAÇÃ”, SÃO PAULO… ÂNGULO",
        "ROMÂNIA, FĂRĂ “apă”, ROMÂNĂ–română. Ăştia sînt, Ăștia sunt",
        "„Ä“ und „Ö“ – Straße… Fuß°",
        "café… »été« l’été – où’s à 5 €",
        "Úžasný blíž… již” mříž”, STĹP KĹŽE",
        "Þórður á Íslandi – Ísafjörður… Ð, Æ",
        "ĐẦU ÂU Ăn – “Ấm áp”…",
        "У Рівне СІРІ дії «РСР» – С…",
        "日本語のテキスト。一只狗。躾も縺れ",
        "ESPAÑA… ¡olé!¿qué? Ñandú",
        "5×½ m²",
    ],
)
def test_what_only_looks_odd_is_not(text):
    """Accents, quotation marks behind them and rare letters are no mojibake."""
    assert alone(oddity, text) == 0.0


def test_null_texts_have_nulls():
    """Where a text is null nothing is measured."""
    for measure in PAIRWISE:
        assert measure(strings(None, "x", None), strings("x", None, None)).to_pylist() == [None, None, None]
    assert oddity(strings(None, "x")).to_pylist() == [None, 0.0]


def test_no_rows():
    """Empty arrays give empty ones."""
    assert [len(measure(strings(), strings())) for measure in PAIRWISE] == [0, 0, 0]
    assert len(oddity(strings())) == 0


texts = st.lists(
    st.one_of(st.none(), st.text(), st.text(alphabet='Ãé»\xa0“…a.?&;()"狗ãР°С\ufffd鐨勪\U0001f600\n ', max_size=12)),
    max_size=6,
)


@given(texts)
def test_any_text_is_measured_in_range_and_alone_as_in_a_table(rows):
    """No string crashes, values are in range, nulls stay, and a row has what it has alone; slices are arrays too."""
    source, target = strings("x", *rows)[1:], strings("x", *reversed(rows))[1:]
    for measure in (*PAIRWISE, lambda _, text: oddity(text)):
        together = measure(source, target).to_pylist()
        assert together == [measure(source[i : i + 1], target[i : i + 1])[0].as_py() for i in range(len(rows))]
    assert [value is None for value in oddity(target).to_pylist()] == [text is None for text in reversed(rows)]
    assert all(value is None or 0 <= value <= 1 for value in oddity(target).to_pylist())
    for measure in (punctuation_difference, unbalanced):
        assert all(value is None or value >= 0 for value in measure(source, target).to_pylist())


def captions(shared_data, language):
    """Return 5,000 human captions."""
    if language == "zh":
        lines = gzip.decompress((shared_data / "flickr8kcn/test.en-zh.human.tsv.gz").read_bytes()).decode()
        return [line.split("\t")[2] for line in lines.splitlines()]
    lines = gzip.decompress((shared_data / f"multi30k/train.{language}.gz").read_bytes()).decode()
    return lines.split("\n")[:5000]


@pytest.mark.real
@pytest.mark.parametrize("language", ["de", "fr", "cs", "zh"])
def test_planted_mojibake_is_found_and_human_captions_are_not_odd(shared_data, language):
    """At least 99 % of the planted have an oddity above 0.02, and no more than one human caption in 5,000 any."""
    human = captions(shared_data, language)
    assert sum(share > 0 for share in oddity(strings(*human)).to_pylist()) <= 1
    rows = [Row("", text, None) for text in human if not text.isascii()]
    draws = [random.Random(i) for i in range(len(rows))]
    planted = KINDS["mojibake"].make(Corpus(rows, language, None), rows, draws)
    broken = [text for text, row in zip(planted, rows, strict=True) if text != row.target]
    found = [share > 0.02 for share in oddity(strings(*broken)).to_pylist()]
    assert sum(found) >= 0.99 * len(found)
