import gzip
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.words import NUMBER_LANGUAGES, listed_words, written_numbers


def numbers(text, language):
    """Return the numbers of one text, sorted."""
    return sorted(written_numbers(text, language).elements())


def others(text, language):
    """Return the listed words of one text with their kind and the first of what can replace them."""
    return [(text[word.start : word.end], word.kind, word.others[0]) for word in listed_words(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Two dogs and three cats.", [2, 3]),
        ("en", "Twenty-five people and a four-year-old", [4, 25]),
        ("en", "twenty one dogs, two hundred cats", [21, 200]),
        ("en", "A dozen of eggs", [12]),
        ("de", "Zwei Hunde und drei Katzen", [2, 3]),
        ("de", "Fünfundzwanzig Leute, einundzwanzig Hunde", [21, 25]),
        ("de", "DREISSIG Leute, dreißig Hunde", [30, 30]),
        ("de", "Eine vierköpfige Familie fährt zu zweit", [2, 4]),
        ("de", "Die beiden Hunde", [2]),
        ("fr", "Deux chiens, six chats et neuf oiseaux", [2, 6, 9]),
        ("fr", "Vingt-cinq personnes, dix-sept chiens", [17, 25]),
        ("fr", "quatre-vingt-dix-sept ou soixante-douze", [72, 97]),
        ("cs", "Dva muži se dvěma psy, tří koček", [2, 2, 3]),
        ("cs", "Čtyřčlenná rodina s pěti dětmi", [4, 5]),
        ("cs", "dvacet pět lidí", [25]),
        ("zh", "两个男人和三只狗", [2, 3]),
        ("zh", "兩個人和三隻狗", [2, 3]),
        ("zh", "二十五个人，十一只狗", [11, 25]),
        ("zh", "两狗在跑", [2]),
        ("zh", "两三个人", [2, 3]),
        ("zh", "三十多人", [30]),
        ("zh", "一百二十人", [120]),
        ("zh", "三万五千人", [35000]),
        ("ja", "二人の男性と三匹の犬", [2, 3]),
        ("ja", "十二個のりんご", [12]),
    ],
)
def test_written_numbers(language, text, expected):
    """Every inflected form and compound is its number."""
    assert numbers(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "One dog and a cat, no one else, someone"),
        ("en", "a baby on all fours on a four wheeler, high five"),
        ("de", "Ein Hund, eine Katze, einer von ihnen"),
        ("de", "ein Achter, achten, Vierteln, Dreck, mit beiden Händen, auf allen vieren"),
        ("fr", "Un chien et une chatte, un vélo neuf, à quatre pattes"),
        ("fr", "des deux côtés"),
        ("cs", "Jeden pes a jedna kočka, po čtyřech, stojí, sedmikráska"),
        ("zh", "一个人和一只狗一起"),
        ("zh", "十字路口旁有三明治，四周五颜六色，街道两旁，荡秋千"),
        ("zh", "第三个人，十几个人，数百人"),
        ("ja", "一人の男性、一つ、四つん這い、十字路"),
        ("en", "5 dogs and 12 cats"),
        ("xx", "Zwei two deux 两个"),
        ("de", ""),
    ],
)
def test_what_is_no_number_above_one(language, text):
    """Articles, 1, ordinals, some and several, digits, and parts of other words do not count."""
    assert numbers(text, language) == []


def test_a_regional_tag_is_its_language():
    """The first subtag says which lists there are."""
    assert written_numbers("Zwei Hunde", "de-AT") == Counter([2])
    assert written_numbers("兩隻狗", "zh-Hant-TW") == Counter([2])


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (
            "de",
            "Zwei Hunde in roten Jacken",
            [("Zwei", "number", "Drei"), ("Hunde", "animal", "Vögel"), ("roten", "colour", "blauen")],
        ),
        ("de", "Die Katze und das Pferd", [("Katze", "animal", "Ziege"), ("Pferd", "animal", "Schaf")]),
        (
            "fr",
            "deux voitures blanches et un cheval rouge",
            [("deux", "number", "trois"), ("blanches", "colour", "noires"), ("cheval", "animal", "chien"),
             ("rouge", "colour", "jaune")],
        ),
        ("fr", "un oiseau", [("oiseau", "animal", "éléphant")]),
        (
            "cs",
            "Dvě ženy se psem v modrém autě",
            [("Dvě", "number", "Tři"), ("psem", "animal", "koněm"), ("modrém", "colour", "červeném")],
        ),
        ("cs", "pět koček", [("pět", "number", "šest"), ("koček", "animal", "krav")]),
        ("en", "A RED horse", [("RED", "colour", "BLUE"), ("horse", "animal", "dog")]),
        (
            "zh",
            "两只狗和穿红色衣服的人",
            [("两", "number", "三"), ("狗", "animal", "猫"), ("红色", "colour", "蓝色")],
        ),
        ("zh", "一只白狗", [("白狗", "colour", "红狗")]),
        ("ja", "二匹の犬と白い車", [("二", "number", "三"), ("犬", "animal", "猫"), ("白い", "colour", "赤い")]),
    ],
)  # fmt: skip
def test_listed_words(language, text, expected):
    """What can replace a word agrees with it in gender, number, case and letter case."""
    assert others(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [("zh", "吃热狗的人在马路上看熊猫"), ("zh", "戴牛仔帽的人"), ("sv", "två röda hundar"), ("de", "ein Mann")],
)
def test_nothing_is_listed(language, text):
    """A word within another, a language without lists, and text without such words have none."""
    assert others(text, language) == []


@given(st.text(), st.sampled_from([*sorted(NUMBER_LANGUAGES), "xx"]))
def test_any_text_can_be_read(text, language):
    """No text crashes the reading; numbers are above 1, and words lie in order without overlap."""
    assert all(number > 1 for number in written_numbers(text, language))
    end = 0
    for word in listed_words(text, language):
        assert end <= word.start < word.end <= len(text)
        assert text[word.start : word.end] not in word.others
        end = word.end


@given(st.text(alphabet="一二两三四五六七八九十百千万多几第个人 只狗红色", max_size=30))
def test_any_ideographs_can_be_read(text):
    """No arrangement of ideographs, units and classifiers crashes it."""
    assert all(number > 1 for number in written_numbers(text, "zh"))
    assert all(word.others for word in listed_words(text, "zh"))


@given(
    st.lists(
        st.sampled_from(["deux", "quatre", "vingt", "dix", "sept", "cent", "soixante", "un", "chiens", "neuf"]),
        max_size=8,
    ),
    st.sampled_from([" ", "-", ", "]),
)
def test_any_sequence_of_number_words_can_be_read(words, glue):
    """However number words follow each other, each belongs to one number at most."""
    assert written_numbers(glue.join(words), "fr").total() <= len(words)


@pytest.mark.real
@pytest.mark.parametrize(("language", "most"), [("de", 320), ("fr", 260), ("cs", 280)])
def test_human_translations_have_the_numbers_of_their_sources(shared_data, language, most):
    """In one of a hundred pairs of Multi30k the written numbers differ: one side has digits, or counts otherwise."""
    with (
        gzip.open(shared_data / "multi30k/train.en.gz", "rt", encoding="utf-8") as english,
        gzip.open(shared_data / f"multi30k/train.{language}.gz", "rt", encoding="utf-8") as translated,
    ):
        differing = sum(
            written_numbers(source, "en") != written_numbers(target, language)
            for source, target in zip(english, translated, strict=True)
        )
    assert 0 < differing < most
