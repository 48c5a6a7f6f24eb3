import random
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.noise import KINDS, NoiseError, plant

GERMAN = {
    "Two dogs are running on the beach.": "Zwei Hunde laufen am Strand.",
    "A man in a blue shirt is riding a bicycle.": "Ein Mann in einem blauen Hemd fährt Fahrrad.",
    "A woman is reading a newspaper in Berlin.": "Eine Frau liest in Berlin eine Zeitung.",
    "Three children are playing football on a meadow.": "Drei Kinder spielen auf einer Wiese Fußball.",
    "A player with number 23 throws the ball.": "Ein Spieler mit der Nummer 23 wirft den Ball.",
    "A brown horse is standing behind a fence.": "Ein braunes Pferd steht hinter einem Zaun.",
}
CHINESE = {
    "Two dogs are running on the beach.": "两只狗在海滩上奔跑。",
    "A man in a blue shirt is riding a bicycle.": "一个穿着蓝色衬衫的男人骑着自行车。",
    "A woman is reading a newspaper in the park.": "一个女人在公园里看报纸。",
    "Three children are playing football on a meadow.": "三个孩子在草地上踢足球。",
    "A player with number 23 throws the ball.": "一名23号球员正在扔球。",
    "A brown horse is standing behind a fence.": "一匹棕色的马站在栅栏后面。",
}
JAPANESE = {
    "Two dogs are running on the beach.": "二匹の犬が浜辺を走っている。",
    "A man in a blue shirt is riding a bicycle.": "青いシャツを着た男性が自転車に乗っている。",
    "A woman is reading a newspaper in the park.": "女性が公園で新聞を読んでいる。",
    "Three children are playing football on a meadow.": "三人の子供が草原でサッカーをしている。",
}
CAPTIONS = {"de": GERMAN, "zh": CHINESE, "ja": JAPANESE}
CZECH = "Dva psi běží po pláži."


def table(captions):
    """Return the pairs of a dict of source → target."""
    return pa.table({"source": pa.array(captions, pa.string()), "target": pa.array(captions.values(), pa.string())})


def shared_words(texts):
    """Embed texts by the words that they have."""
    words = sorted({word for text in texts for word in text.lower().split()})
    vectors = np.array([[word in text.lower().split() for word in words] for text in texts], np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def planted(pairs, kinds, *, ratio=1.0, language="de", seed=1, others=None):
    """Return the rows with noise of ``kinds``, as dicts."""
    others = [CZECH] * pairs.num_rows if others is None else others
    return plant(
        pairs, language=language, ratio=ratio, kinds=kinds, seed=seed, embed=shared_words, others=others
    ).to_pylist()


def all_of(kind, language, *, seed=1, others=None, rows=None):
    """Return the noisy targets of all captions of a language that the kind suits, by their clean ones."""
    captions = CAPTIONS[language]
    ratio = (rows or len(captions)) / len(captions)
    made = planted(table(captions), [kind], ratio=ratio, language=language, seed=seed, others=others)
    return {row["clean_target"]: row["target"] for row in made if row["noise"]}


def words(text):
    """Return the letters and digits of a text, by word, without case."""
    return re.findall(r"\w+", text.casefold())


def test_there_are_the_documented_kinds():
    """Labels are stable strings, and every kind says in a sentence what it is."""
    assert list(KINDS) == [
        "misaligned",
        "near_miss",
        "truncated",
        "extended",
        "untranslated",
        "wrong_language",
        "repetition",
        "number_changed",
        "word_swap",
        "shuffled",
        "entity_dropped",
        "mojibake",
        "empty",
    ]
    assert all(kind.explanation.endswith(".") and kind.name == name for name, kind in KINDS.items())


def test_rows_keep_their_order_and_columns():
    """Three columns are added; clean rows are as they were, and sources always are."""
    pairs = table(GERMAN).append_column("key", pa.array(list("abcdef")))
    noisy = plant(pairs, language="de", ratio=0.5, kinds=["truncated"], seed=1)
    assert noisy.column_names == ["source", "target", "key", "noise", "noise_kind", "clean_target"]
    assert [str(field.type) for field in noisy.schema] == ["string", "string", "string", "bool", "string", "string"]
    assert noisy["source"].to_pylist() == list(GERMAN)
    assert noisy["key"].to_pylist() == list("abcdef")
    assert noisy["clean_target"].to_pylist() == list(GERMAN.values())
    for row in noisy.to_pylist():
        assert row["noise_kind"] == ("truncated" if row["noise"] else None)
        assert (row["target"] == row["clean_target"]) is not row["noise"]


@pytest.mark.parametrize(("ratio", "noisy"), [(0, 0), (0.2, 1), (0.5, 3), (0.75, 4), (1, 6)])
def test_the_ratio_is_exact(ratio, noisy):
    """Of six rows, round(ratio × 6) are noisy."""
    rows = planted(table(GERMAN), ["truncated", "shuffled", "empty"], ratio=ratio)
    assert sum(row["noise"] for row in rows) == noisy


def test_kinds_have_equal_shares():
    """Six rows among three kinds are two of each, even where one kind suits only half of the rows."""
    rows = planted(table(GERMAN), ["empty", "shuffled", "number_changed"])
    assert Counter(row["noise_kind"] for row in rows) == {"empty": 2, "shuffled": 2, "number_changed": 2}


def test_a_kind_that_runs_out_leaves_its_share_to_the_others():
    """Three captions have a number, and six are to be noisy."""
    rows = planted(table(GERMAN), ["number_changed", "empty"])
    assert Counter(row["noise_kind"] for row in rows) == {"number_changed": 3, "empty": 3}
    pairs = table({f"Caption {'abcdefghij'[i]}": f"Ein Text {'abcdefghij'[i]} hier" for i in range(10)})
    rows = planted(pairs, ["number_changed", "shuffled", "empty"], ratio=0.8)
    assert Counter(row["noise_kind"] for row in rows if row["noise"]) == {"shuffled": 4, "empty": 4}


def test_too_few_rows_are_refused():
    """The message says how many rows there would have to be, and how many suit the kinds."""
    with pytest.raises(NoiseError, match="4 of 6 rows are to be noisy, but only 3 suit number_changed"):
        planted(table(GERMAN), ["number_changed"], ratio=0.7)
    with pytest.raises(NoiseError, match="6 of 6 rows are to be noisy, but only 0 suit no kind at all"):
        planted(table(GERMAN), [])


def test_no_rows_have_no_noise():
    """An empty table gets the columns and nothing else."""
    noisy = plant(table({}), language="de", ratio=0.5, kinds=["empty"], seed=1)
    assert noisy.num_rows == 0
    assert noisy.column_names == ["source", "target", "noise", "noise_kind", "clean_target"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ["typos"]}, "unknown kind of noise 'typos'; known: misaligned, near_miss"),
        ({"ratio": 1.1}, "ratio: 1.1 is not between 0 and 1"),
        ({"ratio": float("nan")}, "ratio: nan is not"),
        ({"kinds": ["near_miss"]}, "near_miss needs embed"),
        ({"kinds": ["wrong_language"], "others": [None] * 6}, "wrong_language needs others"),
        ({"others": ["a"]}, "others: 1 texts for 6 rows"),
        ({"pairs": pa.table({"source": ["a"]})}, "no column 'target'; there are source"),
        ({"pairs": pa.table({"source": ["a", None], "target": ["b", "c"]})}, "column 'source' has 1 nulls"),
        ({"pairs": pa.table({"source": ["a"], "target": ["b"], "noise": [True]})}, "column 'noise' is there already"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    """The message names the argument and its value."""
    arguments = {"pairs": table(GERMAN), "language": "de", "ratio": 0.5, "kinds": ["empty"], "seed": 1} | change
    with pytest.raises(NoiseError, match=re.escape(message)):
        plant(arguments.pop("pairs"), **arguments)


@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_the_order_of_the_rows_does_not_matter(language):
    """The same rows shuffled get the same noise."""
    captions = list(CAPTIONS[language].items())
    first = planted(table(dict(captions)), list(KINDS), ratio=0.7, language=language)
    random.Random(3).shuffle(captions)
    second = planted(table(dict(captions)), list(KINDS), ratio=0.7, language=language)
    assert sorted(map(repr, first)) == sorted(map(repr, second))


def test_another_seed_is_other_noise():
    """The seed decides which rows, and what of them."""
    first, again, second = (planted(table(GERMAN), ["shuffled"], ratio=0.5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != second


def test_equal_rows_may_come_again():
    """Of forty equal rows as many are noisy as are asked for, and they are equally so."""
    pairs = pa.table({"source": ["A dog runs fast."] * 40, "target": ["Ein Hund rennt schnell."] * 40})
    rows = planted(pairs, ["truncated"], ratio=0.25)
    assert Counter(row["noise"] for row in rows) == {False: 30, True: 10}
    assert len({row["target"] for row in rows}) == 2


@pytest.mark.parametrize("kind", ["misaligned", "near_miss"])
@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_another_captions_translation(kind, language):
    """The target is that of a pair with another source and another target."""
    made = all_of(kind, language)
    assert set(made.values()) <= set(CAPTIONS[language].values())
    assert all(clean != noisy for clean, noisy in made.items())


def test_near_miss_is_the_most_similar_caption():
    """Of captions embedded by their words, those with the most words in common are exchanged."""
    made = all_of("near_miss", "zh")
    assert made["两只狗在海滩上奔跑。"] == "三个孩子在草地上踢足球。"  # are, on
    assert made["一个女人在公园里看报纸。"] == "一个穿着蓝色衬衫的男人骑着自行车。"  # a, a, in, is


@pytest.mark.parametrize("kind", ["misaligned", "near_miss", "extended"])
def test_the_same_caption_in_other_letters_is_no_other(kind):
    """Neither the same source nor the same target, in whatever case and punctuation, is taken for another caption's."""
    same_source = table({"A dog.": "Ein Hund rennt hier.", "a  dog !": "Der Hund läuft dort."})
    same_target = table({"A dog.": "Ein Hund rennt hier.", "One dog": "ein hund rennt hier"})
    for pairs in (same_source, same_target):
        with pytest.raises(NoiseError, match="only 0 suit"):
            planted(pairs, [kind])


@pytest.mark.parametrize("kind", ["misaligned", "near_miss", "extended"])
def test_another_caption_of_the_same_item_is_no_noise(kind):
    """What is taken is never of the row's own item; a row of no known item may take any."""
    pairs = table(
        {"A dog runs.": "Ein Hund rennt.", "A dog is running.": "Da läuft ein Hund.", "A cat.": "Eine Katze."}
    )
    alone = pairs.append_column("item", pa.array(["1", "1", "1"]))
    with pytest.raises(NoiseError, match="only 0 suit"):
        planted(alone, [kind])
    one_more = pairs.append_column("item", pa.array(["1", "1", "2"]))
    rows = planted(one_more, [kind], ratio=2 / 3)
    made = [row["target"] for row in rows if row["noise"] and row["item"] == "1"]
    assert made
    assert all("Katze" in target for target in made)
    unknown = pairs.append_column("item", pa.nulls(3, pa.string()))
    assert [row["noise"] for row in planted(unknown, [kind])] == [True, True, True]


def test_near_miss_skips_captions_that_say_the_same():
    """The nearest caption but for case and punctuation is farther away."""
    pairs = table(
        {"A dog runs.": "Ein Hund rennt.", "a dog runs .": "Ein Hund läuft.", "A cat runs.": "Eine Katze rennt."}
    )
    rows = planted(pairs, ["near_miss"])
    assert [row["target"] for row in rows][:2] == ["Eine Katze rennt.", "Eine Katze rennt."]


def test_truncated():
    """The first words are left, with the full stop in some cases and without it in others."""
    assert all_of("truncated", "de") == {
        "Zwei Hunde laufen am Strand.": "Zwei Hunde laufen",
        "Ein Mann in einem blauen Hemd fährt Fahrrad.": "Ein Mann in",
        "Eine Frau liest in Berlin eine Zeitung.": "Eine Frau liest",
        "Drei Kinder spielen auf einer Wiese Fußball.": "Drei Kinder spielen auf",
        "Ein Spieler mit der Nummer 23 wirft den Ball.": "Ein Spieler mit der Nummer 23",
        "Ein braunes Pferd steht hinter einem Zaun.": "Ein braunes Pferd.",
    }


def test_truncated_in_chinese():
    """Without spaces, characters are counted; a number is not cut in two."""
    assert all_of("truncated", "zh") == {
        "两只狗在海滩上奔跑。": "两只狗。",
        "一个穿着蓝色衬衫的男人骑着自行车。": "一个穿着蓝色衬衫的男人",
        "一个女人在公园里看报纸。": "一个女人在公园里",
        "三个孩子在草地上踢足球。": "三个孩子",
        "一名23号球员正在扔球。": "一名23号",
        "一匹棕色的马站在栅栏后面。": "一匹棕色的马。",
    }


def test_extended():
    """The end of another translation follows, in the language's own manner."""
    made = all_of("extended", "de")
    assert made["Ein Mann in einem blauen Hemd fährt Fahrrad."] == (
        "Ein Mann in einem blauen Hemd fährt Fahrrad, hinter einem Zaun."
    )
    made = all_of("extended", "zh")
    assert made["两只狗在海滩上奔跑。"] == "两只狗在海滩上奔跑，看报纸。"
    for clean, noisy in made.items():
        body = clean.removesuffix("。")
        assert noisy.startswith(body)
        assert any(
            other.endswith(noisy.removeprefix(body).lstrip("，")) for other in CHINESE.values() if other != clean
        )


def test_untranslated():
    """The source stands there, or its beginning or end with the rest of the translation."""
    made = all_of("untranslated", "de")
    assert made["Eine Frau liest in Berlin eine Zeitung."] == "A woman is reading a newspaper in Berlin."
    assert made["Zwei Hunde laufen am Strand."] == "Zwei Hunde laufen on the beach."
    assert made["Ein Spieler mit der Nummer 23 wirft den Ball."] == "A player with Nummer 23 wirft den Ball."
    made = all_of("untranslated", "zh")
    assert made["两只狗在海滩上奔跑。"] == "Two dogs are running on the beach."
    assert made["一个穿着蓝色衬衫的男人骑着自行车。"] == "A man in a 衬衫的男人骑着自行车。"


def test_wrong_language_takes_the_same_row_first():
    """The row in another language stands there; where it is in none, another caption in it does."""
    czech = ["Dva psi běží po pláži.", None, "Žena čte v Berlíně noviny.", None, "", None]
    made = list(all_of("wrong_language", "de", others=czech).values())
    assert made[0] == "Dva psi běží po pláži."
    assert made[2] == "Žena čte v Berlíně noviny."
    assert {made[1], made[3], made[4], made[5]} <= {made[0], made[2]}


@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_repetition(language):
    """One phrase stands three to six times in its place."""
    for clean, noisy in all_of("repetition", language).items():
        loops = list(re.finditer(r"(.+?)(?:\s?\1){2,5}", noisy))
        assert any(noisy[: loop.start()] + loop[1] + noisy[loop.end() :] == clean for loop in loops)


def test_repetition_in_full():
    """The loop comes before the full stop."""
    assert (
        all_of("repetition", "de")["Zwei Hunde laufen am Strand."]
        == "Zwei Hunde laufen am Strand Strand Strand Strand Strand."
    )
    assert all_of("repetition", "zh")["三个孩子在草地上踢足球。"] == "三个孩子孩子孩子孩子孩子在草地上踢足球。"


def test_number_changed():
    """A number word becomes another that agrees, a number in digits has another digit; other rows do not suit."""
    assert all_of("number_changed", "de", rows=3) == {
        "Zwei Hunde laufen am Strand.": "Sieben Hunde laufen am Strand.",
        "Drei Kinder spielen auf einer Wiese Fußball.": "Zwölf Kinder spielen auf einer Wiese Fußball.",
        "Ein Spieler mit der Nummer 23 wirft den Ball.": "Ein Spieler mit der Nummer 53 wirft den Ball.",
    }
    assert all_of("number_changed", "zh", rows=3) == {
        "两只狗在海滩上奔跑。": "七只狗在海滩上奔跑。",
        "三个孩子在草地上踢足球。": "七个孩子在草地上踢足球。",
        "一名23号球员正在扔球。": "一名24号球员正在扔球。",
    }
    assert all_of("number_changed", "ja", rows=2) == {
        "二匹の犬が浜辺を走っている。": "三匹の犬が浜辺を走っている。",
        "三人の子供が草原でサッカーをしている。": "二人の子供が草原でサッカーをしている。",
    }


@given(st.from_regex(r"\A[1-9٣-٩][0-9٠-٩]{0,5}\Z"), st.integers(0, 5))
def test_a_changed_number_has_another_value(number, seed):
    """In digits of any script the number changes, and gets no zero in front."""
    (row,) = planted(table({"A bus": f"Bus {number}"}), ["number_changed"], seed=seed)
    changed = row["target"].removeprefix("Bus ")
    assert len(changed) == len(number)
    assert int(changed) != int(number)
    assert int(changed[0]) > 0


def test_word_swap_prefers_numbers_colours_and_animals():
    """Another one that agrees with its neighbours stands there."""
    made = all_of("word_swap", "de")
    assert made["Ein braunes Pferd steht hinter einem Zaun."] == "Ein rotes Pferd steht hinter einem Zaun."
    assert made["Drei Kinder spielen auf einer Wiese Fußball."] == "Sechs Kinder spielen auf einer Wiese Fußball."
    assert all_of("word_swap", "de", seed=2)["Zwei Hunde laufen am Strand."] == "Zwei Fische laufen am Strand."
    made = all_of("word_swap", "zh")
    assert made["一个穿着蓝色衬衫的男人骑着自行车。"] == "一个穿着橙色衬衫的男人骑着自行车。"
    assert made["一匹棕色的马站在栅栏后面。"] == "一匹棕色的驴站在栅栏后面。"
    made = all_of("word_swap", "ja")
    assert made["青いシャツを着た男性が自転車に乗っている。"] == "白いシャツを着た男性が自転車に乗っている。"


def test_word_swap_takes_a_content_word_of_the_corpus_else():
    """Without a listed word, a word of few rows is exchanged for one that follows the same word elsewhere."""
    places = ["Park", "Wald", "Haus", "Zelt", "Auto"]
    pairs = table({f"A man sits in a {place}.": f"Ein Mann sitzt im {place}." for place in places})
    for row in planted(pairs, ["word_swap"]):
        assert row["target"] in pairs["target"].to_pylist()
        assert row["target"] != row["clean_target"]
    places = ["海滩", "公园", "森林", "房间", "街道"]
    pairs = table({f"A man sits in a {place}.": f"一个男人坐在{place}里。" for place in places})
    for row in planted(pairs, ["word_swap"], language="zh"):
        assert row["target"] in pairs["target"].to_pylist()
        assert row["target"] != row["clean_target"]


@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_shuffled(language):
    """The same letters stand in another order, and the final sign at the end."""
    for clean, noisy in all_of("shuffled", language).items():
        assert sorted(noisy) == sorted(clean)
        assert noisy[-1] == clean[-1]
        assert noisy != clean


def test_shuffled_moves_words():
    """Words stay whole; in Chinese, a number does."""
    for clean, noisy in all_of("shuffled", "de").items():
        assert sorted(words(noisy)) == sorted(words(clean))
        assert sum(old != new for old, new in zip(words(clean), words(noisy), strict=True)) * 2 >= len(words(clean))
    assert "23" in all_of("shuffled", "zh")["一名23号球员正在扔球。"]


def test_entity_dropped():
    """A word with a capital inside the sentence is missing."""
    assert all_of("entity_dropped", "de") == {
        "Zwei Hunde laufen am Strand.": "Zwei Hunde laufen am.",
        "Ein Mann in einem blauen Hemd fährt Fahrrad.": "Ein in einem blauen Hemd fährt Fahrrad.",
        "Eine Frau liest in Berlin eine Zeitung.": "Eine liest in Berlin eine Zeitung.",
        "Drei Kinder spielen auf einer Wiese Fußball.": "Drei Kinder spielen auf einer Fußball.",
        "Ein Spieler mit der Nummer 23 wirft den Ball.": "Ein mit der Nummer 23 wirft den Ball.",
        "Ein braunes Pferd steht hinter einem Zaun.": "Ein braunes Pferd steht hinter einem.",
    }


def test_entity_dropped_without_capitals():
    """Where there is no name, a rare word is missing; in Chinese, two ideographs or a foreign word."""
    pairs = table(
        {f"A {word} is here.": f"Der {word} ist jetzt hier." for word in ("dort", "groß", "kalt", "neu", "alt")}
    )
    assert [row["target"] for row in planted(pairs, ["entity_dropped"])] == ["Der ist jetzt hier."] * 5
    places = ["海滩", "公园", "森林", "房间", "街道"]
    pairs = table({f"A man sits in a {place}.": f"一个男人坐在{place}里。" for place in places})
    rows = planted(pairs, ["entity_dropped"], language="zh")
    assert [row["target"] for row in rows] == ["一个男人坐在里。"] * 5
    pairs = table({"A man in New York": "一个男人在NBA看球。", "A cat": "一只猫在睡觉。"})
    assert planted(pairs, ["entity_dropped"], language="zh")[0]["target"] == "一个男人在看球。"


def test_mojibake():
    """UTF-8 is read as Windows-1252, as the language's own old encoding, or letters are lost."""
    made = {text for seed in range(20) for text in all_of("mojibake", "de", seed=seed).values() if "Hemd" in text}
    assert made == {
        "Ein Mann in einem blauen Hemd fÃ¤hrt Fahrrad.",
        "Ein Mann in einem blauen Hemd fÃƒÂ¤hrt Fahrrad.",
        "Ein Mann in einem blauen Hemd f�hrt Fahrrad.",
    }
    made = {text for seed in range(20) for text in all_of("mojibake", "zh", seed=seed).values()}
    assert "涓ゅ彧鐙楀湪娴锋哗涓婂�旇窇銆�" in made  # 两只狗在海滩上奔跑。
    assert "ä¸‰ä¸ªå\xad©å\xad�åœ¨è�‰åœ°ä¸Šè¸¢è¶³ç�ƒã€‚" in made  # 三个孩子在草地上踢足球。


def test_mojibake_of_ascii():
    """Nothing in ASCII can be misread, so one to three letters are lost."""
    (row,) = planted(table({"Two dogs": "Zwei Hunde"}), ["mojibake"])
    assert 1 <= row["target"].count("\ufffd") <= 3
    assert len(row["target"]) == len("Zwei Hunde")


@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_empty(language):
    """There is no letter and no digit."""
    made = {text for seed in range(10) for text in all_of("empty", language, seed=seed).values()}
    assert made == {"", " ", "   ", ".", "...", "-", "?", "。"}


texts = st.one_of(
    st.text(max_size=20),
    st.lists(
        st.sampled_from(["zwei", "Hunde", "rot", "Ein", "NBA", "23", "fährt,", "«", "的狗", "三只", "犬が", "สุนัข"])
    ).map(" ".join),
)


@given(
    st.lists(st.tuples(texts, texts, st.one_of(st.none(), texts)), max_size=12),
    st.floats(0, 1),
    st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4),
    st.sampled_from(["de", "cs", "zh", "ja", "th", "xx"]),
    st.integers(),
)
def test_any_texts_give_the_exact_number_or_an_error(rows, ratio, kinds, language, seed):
    """Of any rows as many are noisy as are asked for, each differs, and the others are as they were."""
    pairs = pa.table(
        {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("source", "target"))}
    )
    try:
        noisy = planted(pairs, kinds, ratio=ratio, language=language, seed=seed, others=[row[2] for row in rows])
    except NoiseError:
        return
    assert sum(row["noise"] for row in noisy) == round(ratio * len(rows))
    for row, (source, target, _) in zip(noisy, rows, strict=True):
        assert row["source"] == source
        assert row["clean_target"] == target
        assert row["noise_kind"] in (kinds if row["noise"] else [None])
        if row["noise"]:
            assert row["target"].casefold().split() != target.casefold().split()
        else:
            assert row["target"] == target


@given(st.permutations([*GERMAN.items(), ("A dog", "Ein Hund"), ("a dog", "Ein Hund")]), st.integers(0, 3))
def test_no_order_of_the_rows_matters(captions, seed):
    """Whatever the order, every caption has the same noise."""
    rows = planted(table(dict(captions)), list(KINDS), ratio=0.6, seed=seed)
    ordered = planted(table(dict(sorted(captions))), list(KINDS), ratio=0.6, seed=seed)
    assert sorted(rows, key=lambda row: row["source"]) == ordered


def test_thirty_thousand_rows():
    """A large table has every kind in equal parts."""
    draw = random.Random(1)
    names = ["Mann", "Frau", "Hund", "Kind", "Vogel", "Lehrer", "Koch", "Maler"]
    captions = {
        f"{i} {name} {place}": f"Zwei {name} Nummer {i} stehen {side} dem Ort {place}."
        for i in range(30_000)
        for name, place, side in [(draw.choice(names), f"Platz{draw.randrange(5000)}", draw.choice(["vor", "neben"]))]
    }
    kinds = [kind for kind in KINDS if kind != "near_miss"]  # whose time is the teacher's
    shares = Counter(row["noise_kind"] for row in planted(table(captions), kinds, ratio=0.2))
    assert shares == {None: 24_000, **dict.fromkeys(kinds, 500)}
