"""Token files: ``file#n<TAB>caption``."""

from pathlib import Path
from typing import Any

import pytest


def test_files_become_keys(tmp_path: Path, read: Any) -> None:
    """The key is the name without its extension, the number is n."""
    path = tmp_path / "c.token"
    path.write_bytes(b"1_a.jpg#0\tA dog .\r\n1_a.jpg#1\tA\tbrown dog .\r\nsub/x.y.png#10\tA cat .")
    assert read(path, format="flickr", split="test").rows == [
        ("1_a", 0, "A dog .", "test", "c.token@0"),
        ("1_a", 1, "A brown dog .", "test", "c.token@19"),
        ("sub/x.y", 10, "A cat .", "test", "c.token@44"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"x.jpg#1 no tab", "malformed_record"),
        (b"x.jpg\tno number", "malformed_record"),
        (b"x.jpg#one\tno number", "malformed_record"),
        (b"x.jpg#-1\tno number", "malformed_record"),
        (b"x.jpg#12345678901\ttoo large", "malformed_record"),
        (b"#1\tno file", "malformed_record"),
        (b"x.jpg#1\tCaf\xe9", "bad_encoding"),
        (b"x.jpg#1\t", "empty_caption"),
        (b"x.jpg#1\tA \x00 dog", "control_characters"),
    ],
)
def test_a_bad_line_is_rejected_alone(tmp_path: Path, read: Any, line: bytes, reason: str) -> None:
    """The lines around it are read."""
    path = tmp_path / "c.token"
    path.write_bytes(b"a.jpg#0\tone\n" + line + b"\nb.jpg#0\ttwo\n")
    found = read(path, format="flickr")
    assert found.texts == ["one", "two"]
    assert [refused[:2] for refused in found.refused] == [("c.token@12", reason)]


def test_the_template_may_name_the_file(tmp_path: Path, read: Any) -> None:
    """``{file}`` is the name as it stands, extension and all."""
    (tmp_path / "a.png").write_bytes(b"png")
    path = tmp_path / "c.token"
    path.write_bytes(b"a.png#0\tone\n")
    found = read(path, format="flickr", media=f"{tmp_path}/{{file}}")
    assert found.media == [{"uri": f"{tmp_path}/a.png", "offset": None, "size": None, "ext": "png"}]
