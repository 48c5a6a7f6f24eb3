import gzip
import pickle
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.language import BUNDLED, LanguageIdentifier, plausible_labels

IDENTIFIER = LanguageIdentifier()


def identify(texts, expected):
    """Return what is told of ``texts``, with the plausible labels of English and ``expected``."""
    return IDENTIFIER.identify(
        pa.array(texts, pa.string()), expected=expected, plausible=plausible_labels(["en", expected])
    )


def identified(texts, expected):
    """Return labels and probabilities, rounded to two decimals."""
    found = identify(texts, expected)
    rounded = [None if prob is None else round(prob, 2) for prob in found.prob.to_pylist()]
    return list(zip(found.label.to_pylist(), rounded, strict=True))


def test_types():
    """Labels are strings, and both probabilities float32."""
    found = identify(["Ein Mann reitet auf einem Pferd.", None], "de")
    assert [str(column.type) for column in found] == ["string", "float", "float"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Ein Mann reitet auf einem Pferd."),
        ("de", "Zwei Hunde spielen."),
        ("de", "EIN HUND LÄUFT ÜBER DIE WIESE"),
        ("fr", "Un homme monte à cheval."),
        ("cs", "Muž jede na koni po pláži."),
        ("zh", "一只狗在草地上跑。"),
        ("zh", "一隻狗在草地上跑"),
        ("ja", "犬が草の上を走っている。"),
        ("ko", "개가 잔디 위를 달린다."),
        ("ru", "Собака бежит по траве."),
        ("th", "สุนัขวิ่งบนหญ้า"),
    ],
)
def test_captions_are_in_their_language(language, text):
    """Short captions in their own slot are found there with a high probability."""
    [(label, prob)] = identified([text], language)
    assert label == language
    assert prob > 0.7


@pytest.mark.parametrize(
    ("expected", "actual", "text"),
    [
        ("de", "en", "A man is riding a horse."),
        ("de", "nl", "Een man rijdt op een paard."),
        ("de", "fi", "Koira juoksee pellolla ja haukkuu."),
        ("cs", "en", "A man is riding a horse."),
        ("cs", "fr", "Un homme monte à cheval."),
        ("zh", "ja", "犬が草の上を走っている。"),
        ("zh", "ko", "개가 잔디 위를 달린다."),
        ("ja", "zh", "一个男人骑着马在海滩上。"),
    ],
)
def test_captions_in_the_wrong_slot_are_found_out(expected, actual, text):
    """The label is the true one, likely or not, and the expected language has next to no probability."""
    [(label, prob)] = identified([text], expected)
    assert label == actual
    assert prob < 0.15


@pytest.mark.parametrize(
    ("expected", "text", "least", "most"),
    [
        ("de", "Ein Mann reitet auf einem Pferd.", 0.0, 0.1),
        ("de", "Een man rijdt op een paard.", 0.9, 1.0),
        ("de", "A man is riding a horse.", 0.9, 1.0),
        ("de", "Koira juoksee pellolla ja haukkuu.", 0.9, 1.0),  # Finnish, which is not plausible in a German slot
        ("cs", "Muž jede na koni po pláži.", 0.1, 0.2),  # Slovak, it might be
        ("sk", "Muž jede na koni po pláži.", 0.7, 0.9),
        ("zh", "一只狗在草地上跑。", 0.0, 0.1),
        ("zh", "犬が草の上を走っている。", 0.9, 1.0),
    ],
)
def test_the_likeliest_other_language_has_its_probability(expected, text, least, most):
    """It is high for a caption in the wrong slot, Dutch in a German one, and low for one in its own."""
    [other] = identify([text], expected).other.to_pylist()
    assert least <= other <= most


def test_the_other_language_is_the_label_where_the_expected_is_not():
    """Of a text found in the expected language ``other`` is the second likeliest, of another one the likeliest."""
    own, foreign = (identify(["Muž jede na koni po pláži."], expected) for expected in ("cs", "sk"))
    assert own.label.to_pylist() == foreign.label.to_pylist() == ["cs"]
    assert own.prob.to_pylist() == foreign.other.to_pylist()
    assert own.other.to_pylist() == foreign.prob.to_pylist()


@pytest.mark.parametrize("text", [None, "", "   ", "Ein Hund.", "Pes", "12345678901234567890", "!?", "狗", "一只"])
def test_the_identifier_abstains_on_texts_too_short_to_tell(text):
    """Null, blank and very short texts have neither a label nor a probability, nor is there another language."""
    assert [column.to_pylist() for column in identify([text], "de")] == [[None], [None], [None]]


def test_a_language_the_model_lacks_is_unknown():
    """Where the expected label does not exist nothing is said, rather than everything dropped."""
    assert not IDENTIFIER.knows("zu")
    found = identify(["Indoda igibele ihhashi olwandle."], "zu")
    assert [column.to_pylist() for column in found] == [[None], [None], [None]]


def test_rows_keep_their_places():
    """Answers stand beside their texts, with abstentions between."""
    texts = ["Ein Hund.", "Ein Mann reitet auf einem Pferd.", None, "A man is riding a horse."]
    labels = [label for label, _ in identified(texts, "de")]
    assert labels == [None, "de", None, "en"]


def test_no_texts_give_no_answers():
    """An empty array is no trouble."""
    assert identified([], "de") == []


def test_line_breaks_are_spaces():
    """A newline, which fastText refuses, is white space like any other."""
    assert identified(["Ein Mann\nreitet\r\nauf\u2028einem\x0bPferd."], "de") == identified(
        ["Ein Mann reitet auf einem Pferd."], "de"
    )


def test_plausible_labels_are_the_common_ones_and_what_is_confused():
    """The languages asked for, those that their short sentences pass for, and fifteen that models like to write."""
    common = {"ar", "cs", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh"}
    assert plausible_labels(["en"]) == common
    assert plausible_labels(["cs"]) == common | {"hr", "sk", "sl"}
    assert plausible_labels(["zh"]) == common | {"wuu", "yue"}
    assert plausible_labels(["fi"]) == common | {"et", "fi"}


def test_threads_get_the_same_answers():
    """One identifier serves several threads."""
    texts = ["Ein Mann reitet auf einem Pferd.", "A man is riding a horse.", "Muž jede na koni."] * 200
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: identified(texts, "de"), range(8)))
    assert all(answer == answers[0] for answer in answers)


def test_the_identifier_cannot_be_pickled():
    """It must be built where it is used, and says so rather than travel without its model."""
    with pytest.raises(TypeError):
        pickle.dumps(IDENTIFIER)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    """The error names the file."""
    path = tmp_path / "lid.ftz"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"lid\.ftz"):
        LanguageIdentifier(path)


def test_the_bundled_model_has_its_licence_beside_it():
    """The model is redistributed under CC BY-SA 3.0, with attribution."""
    readme = (BUNDLED.parent / "README.md").read_text()
    assert "ShareAlike 3.0" in readme
    assert "Joulin" in readme
    assert BUNDLED.stat().st_size == 938_013


@given(st.lists(st.one_of(st.none(), st.text()), max_size=6), st.sampled_from(["de", "zh", "ja", "zu"]))
def test_any_text_has_an_answer_in_range(texts, expected):
    """No Unicode string crashes it; all three are null together, and the probabilities are parts of one."""
    for label, prob, other in zip(*(column.to_pylist() for column in identify(texts, expected)), strict=True):
        assert (label is None) == (prob is None) == (other is None)
        if prob is not None:
            assert 0 <= prob <= 1
            assert 0 <= other <= 1
            assert prob + other <= 1 + 1e-6
            assert prob >= other if label == expected else other >= prob


@pytest.mark.real
@pytest.mark.parametrize(("language", "most"), [("de", 0.0), ("fr", 0.0), ("cs", 0.001)])
def test_human_captions_pass(shared_data, language, most):
    """Of 1,000 human translations at most ``most`` are at or below the default threshold."""
    with gzip.open(shared_data / "multi30k" / f"test_2016_flickr.{language}.gz", "rt", encoding="utf-8") as lines:
        answers = identified(lines.read().splitlines(), language)
    assert sum(prob is not None and prob <= 0.15 for _, prob in answers) <= most * len(answers)
