import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rules import expected_ratio, measure


def measured(source, target, *, language="de", script="Latn", spaced=True, ratio=1.0):
    """Return the scores of one pair, rounded to three decimals."""
    scores = measure(
        pa.array([source], pa.string()),
        pa.array([target], pa.string()),
        language=language,
        script=script,
        spaced=spaced,
        expected_ratio=ratio,
    )
    values = {name: column.to_pylist()[0] for name, column in scores.items()}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def chinese(source, target):
    """Return the scores of one pair into Chinese."""
    return measured(source, target, language="zh", script="Hans", spaced=False, ratio=0.32)


def japanese(source, target):
    """Return the scores of one pair into Japanese."""
    return measured(source, target, language="ja", script="Jpan", spaced=False, ratio=0.43)


def test_types_are_those_of_the_pair_table():
    """Shares and ratios are float32, counts int32, and what is so or not a bool."""
    scores = measure(pa.array(["a"]), pa.array(["b"]), language="de", script="Latn", spaced=True, expected_ratio=1.0)
    assert {name: str(column.type) for name, column in scores.items()} == {
        "length_ratio": "float",
        "copy_ratio": "float",
        "repetition": "float",
        "script_share": "float",
        "loops": "int32",
        "numbers_differ": "bool",
        "number_words_differ": "bool",
        "punctuation_difference": "float",
        "ending_differs": "bool",
        "unbalanced": "int32",
        "oddity": "float",
    }


def test_only_what_is_asked_for_is_measured():
    """In that order, and as it is among all."""
    pair = (pa.array(["Two dogs run."]), pa.array(["Zwei Hunde laufen laufen laufen."]))
    known = {"language": "de", "script": "Latn", "spaced": True, "expected_ratio": 1.1}
    every, some = measure(*pair, **known), measure(*pair, **known, only=("loops", "length_ratio"))
    assert list(some) == ["loops", "length_ratio"]
    assert some == {name: every[name] for name in some}
    assert some["loops"].to_pylist() == [2]


@pytest.mark.parametrize(("source", "target"), [(None, "x"), ("x", None), (None, None)])
def test_a_null_text_has_null_scores(source, target):
    """Where source or target is null nothing is measured."""
    assert set(measured(source, target).values()) == {None}


def test_no_rows_have_no_scores():
    """Empty arrays give empty columns."""
    none = pa.array([], pa.string())
    scores = measure(none, none, language="de", script="Latn", spaced=True, expected_ratio=1.0)
    assert {len(column) for column in scores.values()} == {0}


def test_length_ratio_is_one_at_the_expected_length():
    """Fifteen characters on either side smooth it."""
    assert measured("x" * 60, "y" * 60)["length_ratio"] == 1.0
    assert measured("x" * 60, "y" * 30)["length_ratio"] == 0.6  # (30 + 15) / (60 + 15)
    assert measured("x" * 60, "y" * 120)["length_ratio"] == 1.8


def test_short_captions_may_differ_more_in_length():
    """Twice the length of three words is no outlier; twice that of a sentence is."""
    assert measured("Dogs run.", "Es rennen Hunde.")["length_ratio"] == 1.292  # (16 + 15) / (9 + 15)


def test_length_is_counted_in_the_targets_own_measure():
    """A Chinese caption a third as long as the English one is as long as it should be."""
    assert chinese("A man is riding a horse on the beach.", "一个男人在海滩上骑马。")["length_ratio"] == 0.95
    assert chinese("A man is riding a horse on the beach.", "男")["length_ratio"] == 0.349


@pytest.mark.parametrize(
    ("source", "target", "copied"),
    [
        ("A man rides a horse.", "a man RIDES a horse", 1.0),
        ("A man rides a horse.", "Ein Mann reitet ein Pferd.", 0.0),
        ("A baby in the park", "Ein Baby in dem Park", 0.6),
        ("Two men in New York City", "Zwei Männer in New York City", 0.667),
        ("Number 4 5 6 7 bus here", "Bus Nummer 4 5 6 7 hier", 0.333),  # numbers do not count
        ("New York", "New York", 1.0),
        ("A park", "Park", None),
        ("Pizza", "Pizza", None),
        ("A baby", "Ein Baby", None),
    ],
)
def test_copy_ratio(source, target, copied):
    """The share of the words that stand in the source; null where there are too few to tell."""
    assert measured(source, target)["copy_ratio"] == copied


def test_copy_ratio_in_chinese():
    """An English caption in a Chinese slot is a copy; a name within Chinese is not."""
    assert chinese("A man rides a horse.", "A man rides a horse.")["copy_ratio"] == 1.0
    assert chinese("A man in New York", "纽约的一个 New York 男人")["copy_ratio"] == 0.222  # 2 of 9
    assert chinese("A man rides a horse.", "一个男人骑马。")["copy_ratio"] == 0.0


@pytest.mark.parametrize(
    ("source", "target", "repeated"),
    [
        ("A man rides a horse.", "Ein Mann reitet ein Pferd.", 0.0),
        ("A dog runs.", "Ein Hund, ein Hund, ein Hund rennt.", 0.5),  # 3 of 6 bigrams came before
        ("no no no no", "nein nein nein nein", 0.0),  # the source does the same
        ("Hands side by side", "Hände Seite an Seite", 0.0),
        ("A dog", "Hund", 0.0),
    ],
)
def test_repetition(source, target, repeated):
    """The share of bigrams that came before, beyond the source's own."""
    assert measured(source, target)["repetition"] == repeated


def test_repetition_in_chinese_and_japanese():
    """Loops of characters are found without words; a pattern that the language likes is none."""
    assert chinese("Two dogs run.", "两只狗的狗的狗的狗的狗")["repetition"] == 0.5  # 4 of 8 4-grams
    assert chinese("A man and a woman.", "一个男人和一个女人。")["repetition"] == 0.0
    assert japanese("A dog runs.", "犬が走る犬が走る犬が走る")["repetition"] == 0.556  # 5 of 9 4-grams
    assert japanese("A dog runs on grass.", "犬が草の上を走っている。")["repetition"] == 0.0


@pytest.mark.parametrize(
    ("source", "target", "loops"),
    [
        ("A man rides.", "Ein Mann reitet.", 0),
        ("He said it.", "He said that that it is", 1),
        ("A dog runs.", "Der Hund, der Hund, DER HUND läuft.", 2),
        ("A dog runs.", "Hund Hund Hund Hund", 3),  # nor is it one of two words, said once more
        ("A dog runs.", "ein großer brauner Hund ein großer brauner Hund", 1),
        ("A dog runs.", "a b c d e a b c d e", 0),  # five words are no phrase
        ("A dog runs.", "a b a b a c c c", 2),  # the phrase that is said most often
        ("Side by side", "Seite an Seite", 0),  # not at once
        ("A dog runs.", "a b b a", 1),
        ("dog dog runs", "Hund Hund Hund Hund rennt", 2),  # the source does it once
        ("Bye bye now", "Tschüss tschüss", 0),
        ("no no no no", "nein", 0),
        ("A dog runs.", "", 0),
    ],
)
def test_loops(source, target, loops):
    """How often a phrase of one to four words is said again at once, less the source's own."""
    assert measured(source, target)["loops"] == loops


@pytest.mark.parametrize(
    ("source", "target", "loops"),
    [
        ("Two dogs run.", "两只狗在跑。", 0),
        ("Two dogs run.", "两只狗的狗的狗的狗的", 3),
        ("A man rides.", "一个男人骑，一个男人骑。", 1),
        ("A dog", "一二三四五六一二三四五六", 1),
        ("A dog", "一二三四五六七一二三四五六七", 0),  # seven characters are no phrase
        ("bye bye", "再见再见", 0),
        ("A dog", "dog dog 狗", 1),
    ],
)
def test_loops_in_chinese(source, target, loops):
    """A phrase is one to six characters, or words in Latin letters among them; the source's is of words."""
    assert chinese(source, target)["loops"] == loops


def test_no_loop_goes_on_in_the_next_row():
    """What one text ends with is not said again by the next."""
    source, target = pa.array(["A dog", "A dog", "A dog"]), pa.array(["ein Hund", "ein Hund", "Hund Hund"])
    scores = measure(source, target, language="de", script="Latn", spaced=True, expected_ratio=1.0)
    assert scores["loops"].to_pylist() == [0, 0, 1]


def said_again(words):
    """Return how often one phrase of up to four words is said again at once, by trying every one everywhere."""
    most = 0
    for n in range(1, 5):
        for start in range(len(words)):
            times = 0
            while words[start + times * n :][:n] == words[start + (times + 1) * n :][:n] != []:
                times += 1
            most = max(most, times)
    return most


@given(st.lists(st.tuples(*[st.lists(st.sampled_from("abc"), max_size=12)] * 2), max_size=5))
def test_loops_are_those_found_by_trying(pairs):
    """In tables of any words the count is that of a search in each text by itself."""
    source, target = (pa.array([" ".join(pair[side]) for pair in pairs], pa.string()) for side in (0, 1))
    scores = measure(source, target, language="de", script="Latn", spaced=True, expected_ratio=1.0)
    assert scores["loops"].to_pylist() == [max(0, said_again(b) - said_again(a)) for a, b in pairs]


def test_signs_and_written_numbers_are_measured_too():
    """What `filters.signs` and `filters.written` tell of a pair stands beside the rest."""
    scores = measured("Two dogs run (fast).", "Drei Hunde rennen [schn\ufffdll")
    assert scores["number_words_differ"] is True
    assert scores["punctuation_difference"] == 0.4  # a stop and a bracket, of four words and one
    assert scores["ending_differs"] is True
    assert scores["unbalanced"] == 1
    assert scores["oddity"] == 0.269  # 7 of 26 characters


def test_number_words_are_those_of_the_language():
    """They are read in the target's language, and are null for one without lists."""
    assert measured("Two dogs", "Dos perros", language="es")["number_words_differ"] is None
    assert measured("Two dogs", "Tři psi", language="cs")["number_words_differ"] is True
    assert measured("Two dogs", "Dva psi", language="cs")["number_words_differ"] is False
    assert chinese("Two dogs", "三只狗")["number_words_differ"] is True


@pytest.mark.parametrize(
    ("script", "target", "share"),
    [
        ("Latn", "Ein Mann", 1.0),
        ("Latn", "Собака", 0.0),
        ("Latn", "Hund Пёс狗狗狗狗狗", 0.333),
        ("Latn", "123 !? 🐶", 1.0),
        ("Latn", "", 1.0),
        ("Cyrl", "Пёс на BMW", 0.625),
        ("Cyrl", "п'ять мʼячів", 1.0),
        ("Hans", "一只狗", 1.0),
        ("Hans", "穿T恤的人", 0.8),
        ("Hans", "犬がいる", 0.25),
        ("Jpan", "犬がボールで遊ぶ。", 1.0),  # ー is a letter of no script
        ("Jpan", "Tシャツ", 0.75),
        ("Jpan", "dog", 0.0),
        ("Kore", "개가 달린다", 1.0),
        ("Thai", "สุนัขกำลังวิ่ง", 1.0),
        ("Thai", "dog สุนัข", 0.5),  # vowel signs are marks, not letters
        ("Arab", "كلب يجري", 1.0),
        ("Deva", "कुत्ता dog", 0.5),
        ("Zyyy", "anything", None),
    ],
)
def test_script_share(script, target, share):
    """The share of letters in the language's scripts; marks, digits and common letters do not count."""
    assert measured("x", target, script=script)["script_share"] == share


def test_expected_ratio_by_language_then_script():
    """A measured language, a regional one, one known by its script only, and one not at all."""
    assert expected_ratio("de", "Latn") == 1.15
    assert expected_ratio("zh-Hant", "Hant") == 0.32
    assert expected_ratio("yue", "Hant") == 0.32
    assert expected_ratio("eu", "Latn") == 1.0


texts = st.lists(st.tuples(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text())), max_size=6)


@given(texts, st.sampled_from(["Latn", "Hans", "Jpan", "Thai", "Zyyy"]), st.booleans())
def test_any_pair_of_texts_has_scores_in_range(pairs, script, spaced):
    """No Unicode string crashes the measuring, and every score is in its range or null with its text."""
    source = pa.array([pair[0] for pair in pairs], pa.string())
    target = pa.array([pair[1] for pair in pairs], pa.string())
    scores = measure(source, target, language="de", script=script, spaced=spaced, expected_ratio=0.5)
    for i, (english, other) in enumerate(pairs):
        row = {name: column[i].as_py() for name, column in scores.items()}
        if english is None or other is None:
            assert set(row.values()) == {None}
            continue
        assert row["length_ratio"] > 0
        assert row["numbers_differ"] in (True, False)
        assert row["number_words_differ"] in (True, False)
        assert row["loops"] >= 0
        assert 0 <= row["repetition"] <= 1
        for name in ("copy_ratio", "script_share"):
            assert row[name] is None or 0 <= row[name] <= 1


@given(
    st.lists(st.text(alphabet="ab 狗。1", max_size=12), min_size=1, max_size=6),
    st.sampled_from([("de", "Latn", True), ("zh", "Hans", False)]),
)
def test_a_pairs_scores_do_not_depend_on_its_company(sources, target_language):
    """Measuring a table is measuring its rows."""
    language, script, spaced = target_language
    targets = sources[1:] + sources[:1]

    def scores(sources, targets):
        return measure(
            pa.array(sources),
            pa.array(targets),
            language=language,
            script=script,
            spaced=spaced,
            expected_ratio=1.0,
        )

    together = scores(sources, targets)
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        alone = scores([source], [target])
        assert {name: column[i] for name, column in together.items()} == {
            name: column[0] for name, column in alone.items()
        }
