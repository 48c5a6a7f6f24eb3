"""The ledger's embeddings: written whole, found by text, wherever they lie."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines import embeddings, files
from pipelines.embeddings import EmbeddingStore, dimension, part_ids, write_embeddings
from pipelines.ledger import Ledger
from pipelines.runner import RunFailed

FOLDER = "en-0011223344556677"


def text_id(i: int) -> bytes:
    """Return an id that ends in NULs, as one in many thousands does."""
    return bytes([i]) + bytes(15)


def part(ledger: Ledger, name: str, ids: list[int], *, shift: float = 0.0) -> str:
    """Write a part whose vectors are (id, id + 0.5 + shift)."""
    path = ledger.part("embeddings", FOLDER, f"part-{name}.arrow")
    vectors = np.array([[i, i + 0.5 + shift] for i in ids], np.float32)
    write_embeddings(path, pa.chunked_array([[text_id(i) for i in ids]], pa.binary(16)), vectors)
    return path


def wanted(*ids: int) -> pa.Array:
    """Return ids as a look-up takes them."""
    return pa.array([text_id(i) for i in ids], pa.binary(16))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger of two parts."""
    made = Ledger(str(tmp_path / "ledger"))
    part(made, "a", [9, 3, 7])
    part(made, "b", [1, 8])
    return made


def test_rows_in_the_order_asked_for(ledger: Ledger) -> None:
    """From any part, in any order, also twice; as float16."""
    found = EmbeddingStore(ledger, FOLDER).take(wanted(8, 9, 3, 8, 1))
    assert found.tolist() == [[8, 8.5], [9, 9.5], [3, 3.5], [8, 8.5], [1, 1.5]]
    assert found.dtype == np.float16
    assert EmbeddingStore(ledger, FOLDER).take(wanted()).shape == (0, 2)


def test_a_text_that_is_not_there(ledger: Ledger) -> None:
    """It is counted, with what to do; so it is where the ledger has none at all."""
    with pytest.raises(RunFailed, match="the ledger lacks the embeddings of 2 of 3 texts: run score"):
        EmbeddingStore(ledger, FOLDER).take(wanted(8, 2, 250))
    with pytest.raises(RunFailed, match="the ledger lacks the embeddings of 1 of 1 texts: run score"):
        EmbeddingStore(ledger, "en-other").take(wanted(8))


def test_the_first_part_counts(ledger: Ledger) -> None:
    """Of a text in two parts that of the first by name, whichever was written first."""
    part(ledger, "0", [8], shift=-0.25)
    part(ledger, "c", [9], shift=0.25)
    assert EmbeddingStore(ledger, FOLDER).take(wanted(9, 8)).tolist() == [[9, 9.5], [8, 8.25]]


def test_what_a_part_says(ledger: Ledger) -> None:
    """Its ids without its vectors, and how long a vector is; 0 where there is none."""
    path = ledger.parts("embeddings", FOLDER)[0].path
    assert part_ids(path).to_pylist() == [text_id(i) for i in (9, 3, 7)]
    assert dimension(ledger, FOLDER) == 2
    assert dimension(ledger, "en-other") == 0


def test_unfinished_parts_are_not_read(ledger: Ledger) -> None:
    """What a killed process left has another name."""
    folder = Path(ledger.root) / "embeddings" / FOLDER
    (folder / f"{files.TEMPORARY}1-part-c.arrow").write_bytes(b"half")
    assert EmbeddingStore(ledger, FOLDER).take(wanted(1)).tolist() == [[1, 1.5]]


def test_parts_of_another_machine_are_copied(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be mapped into memory where it lies is read once, as a whole."""
    read: list[str] = []
    plainly = files.open_raw

    def recorded(path: str) -> object:
        read.append(Path(path).name)
        return plainly(path)

    class Remote:
        """`pipelines.files` for a ledger that is somewhere else."""

        is_local = staticmethod(lambda _: False)
        open_raw = staticmethod(recorded)

    monkeypatch.setattr(embeddings.files, "open_raw", recorded)
    monkeypatch.setattr(embeddings, "files", Remote)
    store = EmbeddingStore(ledger, FOLDER)

    assert store.take(wanted(8, 9)).tolist() == [[8, 8.5], [9, 9.5]]
    once = sorted(read)
    assert store.take(wanted(7, 1)).tolist() == [[7, 7.5], [1, 1.5]]
    assert sorted(read) == once
    assert set(once) == {"part-a.arrow", "part-b.arrow"}
