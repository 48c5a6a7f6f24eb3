"""Media paths: plain fields only, and never outside the root."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.config import ConfigError, InputConfig
from pipelines.media import Media
from pipelines.sources.media import MediaTemplate
from pipelines.sources.record import Record, Reject


def _template(media: str, **settings: Any) -> MediaTemplate:
    template = MediaTemplate.of(InputConfig(format="jsonl", path="c.jsonl", media=media, **settings), known=None)
    assert template is not None
    return template


def _record(name: str = "a", **fields: object) -> Record:
    return Record(name, "A dog .", 2, "train", "c.jsonl@7", fields)


@pytest.mark.parametrize(
    ("template", "root", "key", "expected"),
    [
        ("/data/photos/{key}.jpg", None, "a", Media("/data/photos/a.jpg", "jpg")),
        ("/data/photos/{key}.JPG", None, "b/c d.é", Media("/data/photos/b/c d.é.JPG", "jpg")),
        ("/data/photos/{key}.jpg", None, "..", Media("/data/photos/...jpg", "jpg")),
        ("/data/photos/{key}.jpg", None, "/a", Media("/data/photos/a.jpg", "jpg")),
        ("/data/photos/{key}.jpg", None, "x/../a", Media("/data/photos/a.jpg", "jpg")),
        ("/data/photos/{key}.jpg", None, "..\\..\\a", Media("/data/photos/..\\..\\a.jpg", "jpg")),
        ("/data/{key}/{key}.tar.webm", None, "a", Media("/data/a/a.tar.webm", "webm")),
        ("/data/sets/{{x}}/{key}.jpg", None, "a", Media("/data/sets/{x}/a.jpg", "jpg")),
        ("/data/photos/{key}.jpg", "/data", "../a", Media("/data/a.jpg", "jpg")),
        ("/{key}.jpg", None, "data/a", Media("/data/a.jpg", "jpg")),
        ("gs://bucket/x/{key}.jpg", None, "a", Media("gs://bucket/x/a.jpg", "jpg")),
        ("gs://bucket/x/{key}.jpg", "gs://bucket", "../y/a", Media("gs://bucket/y/a.jpg", "jpg")),
        ("hdfs:///data/{key}.jpg", None, "a", Media("hdfs:///data/a.jpg", "jpg")),
        ("{key}", "s3://bucket/x/", "s3://bucket/x/y.mp4", Media("s3://bucket/x/y.mp4", "mp4")),
    ],
)
def test_paths_inside_the_root_are_taken(template: str, root: str | None, key: str, expected: Media) -> None:
    """Normalised, with the lower-case extension."""
    assert _template(template, media_root=root).locate(_record(key)) == expected


@pytest.mark.parametrize(
    ("template", "root", "key"),
    [
        ("/data/photos/{key}", None, "../../etc/passwd"),
        ("/data/photos/{key}.jpg", None, "../photos2/a"),
        ("/data/photos/{key}.jpg", None, "a/../../b"),
        ("/data/photos/{key}", None, "."),
        ("/data/photos/{key}.jpg", "/data/other", "a"),
        ("{key}", None, "/etc/passwd"),
        ("{key}", None, "../a.jpg"),
        ("{key}", None, "gs://bucket/../../../../../../../../etc/passwd"),
        ("{key}", "/data", "a.jpg"),
        ("gs://bucket/x/{key}.jpg", None, "../a"),
        ("gs://bucket/x/{key}.jpg", None, "../../other/x/a"),
        ("gs://bucket/x/{key}.jpg", None, "../../../../a"),
        ("{key}", "gs://bucket/x", "s3://bucket/x/a.jpg"),
        ("{key}", "gs://bucket/x", "/etc/passwd.jpg"),
        ("{key}", "gs://bucket/x", "gs://bucket/xy/a.jpg"),
    ],
)
def test_paths_that_leave_the_root_are_unsafe(template: str, root: str | None, key: str) -> None:
    """By the key, and by any other field, whatever the filesystem."""
    for found in (
        _template(template, media_root=root).locate(_record(key)),
        _template(template.replace("{key}", "{file}"), media_root=root).locate(_record("k", file=key)),
    ):
        assert isinstance(found, Reject)
        assert (found.reason, found.origin, found.n) == ("unsafe_path", "c.jsonl@7", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=st.lists(st.sampled_from(["..", ".", "/", "//", "a", "photos", "data", "\\", "é", "://", "gs:", " "])).map(
        "".join
    ),
    template=st.sampled_from(["/data/photos/{key}.jpg", "{key}.jpg", "/data/{key}/x.jpg"]),
)
def test_no_key_leaves_the_root(key: str, template: str) -> None:
    """Whatever a path is put together from, it resolves inside the root or is refused."""
    root = "/data/photos"
    found = _template(template, media_root=root).locate(_record(key or "k"))
    if isinstance(found, Media):
        assert os.path.realpath(found.uri).startswith(root + "/")
        assert "://" not in found.uri
    else:
        assert found.reason in {"unsafe_path", "unreadable_media"}


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({}, "no image for the media path"),
        ({"image": None}, "no image for the media path"),
        ({"image": ""}, "image is '', no path"),
        ({"image": True}, "image is True, no path"),
        ({"image": ["a"]}, "image is ['a'], no path"),
    ],
)
def test_a_field_without_a_path_is_missing(fields: dict[str, object], detail: str) -> None:
    """Only text and whole numbers can be put into a path."""
    found = _template("/data/{image}").locate(_record(**fields))
    assert found == Reject("c.jsonl@7", "missing_field", detail, "a", 2)


def test_fields_are_mapped_and_numbers_written_out() -> None:
    """The template speaks our names where `input.fields` gives them; {key} is always the key."""
    template = _template("/data/{picture}-{number}-{key}.jpg", fields={"picture": "img file", "key": "uid"})
    found = template.locate(_record("k", **{"img file": "x", "number": 12, "key": "another", "picture": "no"}))
    assert found == Media("/data/x-12-k.jpg", "jpg")


def test_features_are_media() -> None:
    """An ``.npy`` is as good as a picture or a video: in a sample it has a name that is not the embeddings'."""
    assert _template("/data/{file}").locate(_record(file="a.npy")) == Media("/data/a.npy", "npy")


@pytest.mark.parametrize("name", ["a", "a.json", "a.txt", "a.jpg?size=1", "a.jp g", ".jpg"])
def test_extensions_that_a_sample_cannot_have_are_refused(name: str) -> None:
    """A member needs a plain extension that none of the sample's own members has."""
    found = _template("/data/{file}").locate(_record(file=name))
    assert isinstance(found, Reject)
    assert found.reason == "unreadable_media"


@pytest.mark.parametrize(
    "template",
    [
        "p/{key.__class__}.jpg",
        "p/{key[0]}.jpg",
        "p/{key!r}.jpg",
        "p/{key:>9}.jpg",
        "p/{}.jpg",
        "p/{key.jpg",
        "p/key}.jpg",
        "",
    ],
)
def test_a_template_holds_plain_fields_only(template: str) -> None:
    """No attributes, indexes, conversions or widths."""
    with pytest.raises(ConfigError, match=r"input\.media: .*write plain \{name\} fields"):
        _template(template)


def test_a_format_with_fixed_fields_knows_them() -> None:
    """The message names the template, the field and what may be used."""
    config = InputConfig(format="coco", path="c.json", media="photos/{image}")
    with pytest.raises(ConfigError) as error:
        MediaTemplate.of(config, known=frozenset({"file_name", "image_id"}))
    assert str(error.value) == (
        "input.media: 'photos/{image}': there is no {image}: write plain {name} fields or {one,other} alternatives; "
        "it may use {file_name}, {image_id}, {key}"
    )


def test_a_bucket_from_a_field_needs_a_root() -> None:
    """Without a fixed folder nothing says what is inside."""
    with pytest.raises(ConfigError, match=r"no fixed leading folder: give input\.media_root"):
        _template("gs://{bucket}/{key}.jpg")


def test_local_files_are_looked_at(tmp_path: Path, read: Any) -> None:
    """Missing, empty, a folder, a name no filesystem takes: each with its reason; others go on."""
    photos = tmp_path / "photos"
    (photos / "folder.jpg").mkdir(parents=True)
    (photos / "good.jpg").write_bytes(b"jpg")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "link.jpg").symlink_to(photos / "good.jpg")
    images = ["good", "link", "none", "good.jpg/x", "empty", "folder", "x" * 300, "nul\0", "../../etc/passwd"]
    path = tmp_path / "c.jsonl"
    path.write_text(
        "".join(json.dumps({"key": f"k{i}", "caption": "one", "image": name}) + "\n" for i, name in enumerate(images))
    )
    found = read(path, format="jsonl", media=f"{photos}/{{image}}.jpg")
    assert [media["uri"] for media in found.media] == [f"{photos}/good.jpg", f"{photos}/link.jpg"]
    assert [(key, reason) for _, reason, key, _ in found.refused] == [
        ("k2", "missing_media"),
        ("k3", "missing_media"),
        ("k4", "unreadable_media"),
        ("k5", "unreadable_media"),
        ("k6", "unreadable_media"),
        ("k7", "unreadable_media"),
        ("k8", "unsafe_path"),
    ]
    assert [detail.split(":")[0] for detail in found.details[2:6]] == [
        "empty",
        "not a file",
        "File name too long",
        "embedded null byte",
    ]


def test_an_escaping_key_reads_nothing(tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path outside the root is refused before the filesystem is asked."""
    asked: list[str] = []
    monkeypatch.setattr("pipelines.sources.tables.file_problem", asked.append)
    path = tmp_path / "c.jsonl"
    path.write_text('{"key": "../../etc/passwd", "caption": "one"}\n')
    found = read(path, format="jsonl", media=f"{tmp_path}/photos/{{key}}")
    assert found.refused == [("c.jsonl@0", "unsafe_path", "../../etc/passwd", None)]
    assert asked == []


def test_a_file_is_looked_at_once_for_all_its_captions(
    tmp_path: Path, read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five captions of a photo cost one look."""
    looked: list[str] = []
    monkeypatch.setattr("pipelines.sources.tables.file_problem", looked.append)
    path = tmp_path / "c.jsonl"
    path.write_text('{"key": "a", "captions": ["one", "two", "three"]}\n')
    assert len(read(path, format="jsonl", media=f"{tmp_path}/{{key}}.jpg").texts) == 3
    assert looked == [f"{tmp_path}/a.jpg"]


def test_remote_media_are_not_looked_at(tmp_path: Path, read: Any) -> None:
    """A bucket is asked when the bytes are fetched."""
    path = tmp_path / "c.jsonl"
    path.write_text('{"key": "a", "caption": "one"}\n')
    found = read(path, format="jsonl", media="gs://bucket/{key}.jpg")
    assert found.media == [{"uri": "gs://bucket/a.jpg", "offset": None, "size": None, "ext": "jpg"}]


def test_without_a_template_there_are_no_media(tmp_path: Path, read: Any) -> None:
    """A text-only run."""
    path = tmp_path / "c.jsonl"
    path.write_text('{"key": "a", "caption": "one", "image": "a.jpg"}\n')
    assert read(path, format="jsonl").media == [None]


def test_a_media_path_that_is_not_unicode_is_rejected(tmp_path: Path, read: Any) -> None:
    """A file name with undecodable bytes cannot be written down."""
    path = tmp_path / "c.json"
    image = b'{"id": 1, "file_name": "caf\xe9.jpg"}'
    path.write_bytes(b'{"images": [' + image + b'], "annotations": [{"id": 1, "image_id": 1, "caption": "one"}]}')
    found = read(path, format="coco", media=f"{tmp_path}/{{image_id}}-{{file_name}}")
    assert [refused[1] for refused in found.refused] == ["bad_encoding"]


def test_alternatives_come_in_their_order() -> None:
    """Several groups give every choice of them, the last changing fastest; none of them is a field."""
    template = _template("/data/{a,b}/{key}.{mp4,webm}")
    found = [each.locate(_record("k")) for each in (template, *template.others)]
    assert found == [
        Media("/data/a/k.mp4", "mp4"),
        Media("/data/a/k.webm", "webm"),
        Media("/data/b/k.mp4", "mp4"),
        Media("/data/b/k.webm", "webm"),
    ]


def test_alternatives_are_local_and_stay_inside_the_root() -> None:
    """Nothing looks for a file in a bucket before it is packed; what climbs out is unsafe in each alternative."""
    with pytest.raises(ConfigError, match=r"input\.media: .*alternatives are looked for among local files only"):
        _template("gs://bucket/{key}.{mp4,webm}")
    template = _template("/data/videos/{x,y}/{key}.mp4")
    for each in (template, *template.others):
        found = each.locate(_record("../../z"))
        assert isinstance(found, Reject)
        assert found.reason == "unsafe_path"
