from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import threadpoolctl

from filters.similarity import TEACHERS, UnknownTeacherError, cosine, load_teacher

ENGLISH = ["A man is riding a horse.", "Two dogs run through the snow.", "A child eats an apple."]
GERMAN = [
    "Ein Mann reitet auf einem Pferd.",
    "Zwei Hunde rennen durch den Schnee.",
    "Ein Kind isst einen Apfel.",
]
CHINESE = ["一个男人在骑马。", "两只狗在雪地里奔跑。", "一个孩子在吃苹果。"]


@pytest.fixture(scope="module")
def muse():
    """Return the real encoder, loaded once."""
    return load_teacher("muse")


def test_an_unknown_teacher_is_refused():
    """The message lists the known ones."""
    with pytest.raises(UnknownTeacherError, match="unknown teacher 'labse'; known: muse"):
        load_teacher("labse")


def test_every_teacher_is_registered_under_its_own_name(muse):
    """The registry's key is the teacher's name."""
    assert list(TEACHERS) == ["muse"]
    assert muse.name == "muse"


def test_muse_knows_its_languages(muse):
    """Regional tags count as their language; Czech is not among them."""
    assert all(muse.knows(code) for code in ("de", "fr", "en", "ja", "zh", "zh-Hant", "pt-BR"))
    assert not any(muse.knows(code) for code in ("cs", "uk", "fi"))


def test_muse_names_its_version(muse):
    """The digest follows the package that holds the weights."""
    assert muse.digest.startswith("muse-0.2.")


def test_embeddings_are_unit_vectors(muse):
    """float32 [texts, 512] of length 1, also for an empty text."""
    embeddings = muse.embed([*ENGLISH, "", "🐶"])
    assert embeddings.shape == (5, 512)
    assert embeddings.dtype == np.float32
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


def test_no_texts_have_no_embeddings(muse):
    """An empty list gives an empty matrix of the right width."""
    assert muse.embed([]).shape == (0, 512)


@pytest.mark.parametrize("translations", [GERMAN, CHINESE])
def test_translations_are_nearer_than_others(muse, translations):
    """True pairs are above the default threshold, shifted ones below it."""
    english, other = muse.embed(ENGLISH), muse.embed(translations)
    assert min(cosine(english, other).to_pylist()) > 0.7
    assert max(cosine(english, np.roll(other, 1, axis=0)).to_pylist()) < 0.45


def test_the_same_list_has_the_same_bits_from_any_thread(muse):
    """Concurrent calls neither mix up nor move the last bit."""
    lists = [GERMAN * 40, ENGLISH * 40, CHINESE * 40]
    alone = [muse.embed(texts).tobytes() for texts in lists]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(muse.embed, lists * 4))
    assert [embeddings.tobytes() for embeddings in together] == alone * 4


def test_blas_stays_at_one_thread(muse):
    """Calls from two threads cannot undo the limit, because it is the process's own."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(muse.embed, [GERMAN * 20] * 8))
    assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_cosine_is_row_by_row():
    """Same, opposite, at right angles and at 60 degrees."""
    first = np.array([[1, 0], [1, 0], [1, 0], [1, 0]], np.float32)
    second = np.array([[1, 0], [-1, 0], [0, 1], [0.5, 0.8660254]], np.float32)
    similarity = cosine(first, second)
    assert similarity.to_pylist() == [1.0, -1.0, 0.0, 0.5]
    assert similarity.type == pa.float32()


def test_cosine_stays_in_range():
    """Rounding does not lift it over 1."""
    row = np.full((1, 3), 0.57735032, np.float32)
    assert cosine(row, row).to_pylist()[0] <= 1.0
