"""Human captions for evaluation, read from files as people have them."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config import ConfigError
from pipelines.references import Reference, References, _item, parse_columns, read_references


def read(folder: Path, name: str, content: str, *, columns: str | None = None, language: str = "de") -> References:
    """Write ``content`` to a file of that name and read it."""
    (folder / name).write_text(content)
    return read_references(str(folder / name), language=language, columns=parse_columns(columns))


def test_json_lines(tmp_path: Path) -> None:
    """A caption or a list of them, under the language's code or a common name; keys may be numbers."""
    found = read(
        tmp_path,
        "a.jsonl",
        '{"key": "a", "de": "Ein  Hund. ", "split": "val"}\n\n'
        '{"key": 7, "captions": ["Eine Katze.", " ", "Noch eine."]}\n'
        '{"key": "c", "caption": "Ein Pferd.", "split": ""}\n',
    )

    assert found.captions == [
        Reference("a", "Ein Hund.", "val"),
        Reference("7", "Eine Katze.", None),
        Reference("7", "Noch eine.", None),
        Reference("c", "Ein Pferd.", None),
    ]
    assert list(found.notes()) == []


def test_columns_inside_objects(tmp_path: Path) -> None:
    """A name may lead into objects; a field that has the whole name comes first; records without one are counted."""
    content = (
        '{"id": "a", "m": {"de": "Ein Hund.", "split": "test"}}\n'
        '{"id": "b", "m": null}\n'
        '{"id": "c", "m.de": "Eine Katze.", "m": {"de": "Ein Hund."}}\n'
        '{"id": "d", "m": {"de": null}}\n'
    )
    found = read(tmp_path, "a.jsonl", content, columns="key=id, caption=m.de,split=m.split")

    assert found.captions == [Reference("a", "Ein Hund.", "test"), Reference("c", "Eine Katze.", None)]
    assert list(found.notes()) == ["2 references have no caption in this language"]


def test_records_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """With their reasons, and where the first one stands."""
    lines = [
        '{"key": "a", "de": "Ein Hund."}',
        "no JSON",
        "[]",
        '{"de": "x"}',
        '{"key": "a", "de": 3}',
        '{"key": "a", "de": [3]}',
    ]
    (tmp_path / "a.jsonl").write_bytes("\n".join(lines).encode() + b'\n{"key": "\xff"}\n')
    found = read_references(str(tmp_path / "a.jsonl"), language="de", columns={})

    assert len(found.captions) == 1
    assert list(found.notes()) == [
        "6 references cannot be read: 3 missing_field, 2 malformed_record, 1 bad_encoding; the first: "
        f"{tmp_path}/a.jsonl:2"
    ]


def test_a_tsv_with_names(tmp_path: Path) -> None:
    """Columns are found by their names, in any order; a short line is no record."""
    content = "en\tde\tkey\tsplit\nA dog.\tEin Hund.\ta.jpg\tval\nA cat.\t\tb\ttest\nA cow.\tEine Kuh.\n"
    content += "A fox.\tEin Fuchs.\tc\t\n"
    found = read(tmp_path, "a.tsv", content)

    assert found.captions == [Reference("a", "Ein Hund.", "val"), Reference("c", "Ein Fuchs.", None)]
    assert found.without == 1
    assert [reject.reason for reject in found.rejects] == ["malformed_record"]


def test_a_tsv_without_names(tmp_path: Path) -> None:
    """Two columns are the key and the caption; of more, they are given by number."""
    assert read(tmp_path, "a.tsv", "a.jpg#0\tEin Hund.\na.jpg#1\tKatze.\n").captions == [
        Reference("a", "Ein Hund.", None),
        Reference("a", "Katze.", None),
    ]
    found = read(tmp_path, "b.tsv", "A dog.\ta\tEin Hund.\ttest\n", columns="key=2,caption=3,split=4")
    assert found.captions == [Reference("a", "Ein Hund.", "test")]


def test_a_file_of_one_split(tmp_path: Path) -> None:
    """What stands before the name counts, whatever the file says; another name with = is a file's."""
    (tmp_path / "x=a.tsv").write_text("a\tEin Hund.\n")
    (tmp_path / "a.tsv").write_text("key\tde\tsplit\na\tEin Hund.\ttrain\n")

    assert read_references(f"val={tmp_path}/a.tsv", language="de", columns={}).captions[0].split == "val"
    assert read_references(f"{tmp_path}/x=a.tsv", language="de", columns={}).captions[0].split is None


def test_gz(tmp_path: Path) -> None:
    """A compressed file is read as it is; one that is none, or breaks off, is named."""
    whole = gzip.compress(b"a\tEin Hund.\n" * 1000)
    (tmp_path / "a.tsv.gz").write_bytes(whole)
    assert len(read_references(f"{tmp_path}/a.tsv.gz", language="de", columns={}).captions) == 1000
    for content in (b"no gz", whole[:-20]):
        (tmp_path / "a.tsv.gz").write_bytes(content)
        with pytest.raises(ConfigError, match=r"a.tsv.gz cannot be read"):
            read_references(f"{tmp_path}/a.tsv.gz", language="de", columns={})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "a\tb", "known are .jsonl, .tsv, each with .gz too"),
        ("a.jsonl", "", "has no caption in 'de' (it is empty): --columns names its columns"),
        ("a.jsonl", '{"key": "a", "fr": "x"}', "(1 references have no caption in this language)"),
        (
            "a.tsv",
            "key\ten\tfr\na\tb\tc\n",
            "its first line has no columns key, de or captions or caption, but key, en, fr",
        ),
    ],
)
def test_a_file_of_no_use(tmp_path: Path, name: str, content: str, message: str) -> None:
    """It is said what was looked for."""
    with pytest.raises(ConfigError) as error:
        read(tmp_path, name, content)
    assert message in str(error.value)


def test_a_split_column_that_is_not_there(tmp_path: Path) -> None:
    """A column that was named has to be there."""
    with pytest.raises(ConfigError, match="has no column 'part'; there are key, de"):
        read(tmp_path, "a.tsv", "key\tde\na\tb\n", columns="split=part")


def test_no_file(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(ConfigError, match="there is no such file"):
        read_references(str(tmp_path / "a.tsv"), language="de", columns={})


@pytest.mark.parametrize("columns", ["keys=a", "key", "key=", "=a", "key=a,"])
def test_columns_that_say_nothing(columns: str) -> None:
    """What can be named is said."""
    with pytest.raises(ConfigError, match="names are key, caption, split"):
        parse_columns(columns)


@given(st.text(min_size=1), st.integers(0, 10**6), st.sampled_from([".jpg", ".mp4", ".JPG"]))
def test_a_file_name_is_its_items_key(key: str, number: int, extension: str) -> None:
    """Extension and number are cut off, whatever stands before them."""
    key = f"x{key}x"

    assert _item(f"{key}{extension}#{number}") == key
    assert _item(f"{key}{extension}") == key
    assert _item(f" {key}#{number}") == key
    assert _item(f"{key}.v2") == f"{key}.v2"
