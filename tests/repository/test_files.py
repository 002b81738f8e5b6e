"""Names and files of this machine."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinto_models.errors import FileError
from kinto_models.models.attachments import Attachment
from kinto_models.repository.conversations import files
from kinto_models.repository.conversations.files import Content, Part, guessed, opened, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("été 漢.txt", "été 漢.txt"),
        ("../../x", "x"),
        ("..\\..\\x.exe", "x.exe"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\a.dll", "a.dll"),
        ("C:a.txt", "C_a.txt"),
        (".bashrc", "bashrc"),
        ("...", "attachment"),
        ("", "attachment"),
        ("a/", "attachment"),
        (".. ", "attachment"),
        ("a\0b\r\n\x1b[31m.txt", "ab[31m.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("NUL", "_NUL"),
        ("con.txt", "_con.txt"),
        ("com1 .tar.gz", "_com1 .tar.gz"),
        ("trailing. . ", "trailing"),
        ("a\ud800b", "ab"),
        ("what?*.txt", "what__.txt"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
        ("é" * 200, "é" * 127),
        ("a." + "b" * 300, "a." + "b" * 253),
    ],
)
def test_a_name_of_the_servers_becomes_one_that_is_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text() | st.text(alphabet="./\\: \0a~", max_size=8) | st.from_regex(r"(con|nul|aux|lpt[1-9])(\..*)?"))
@example("x" * 400 + "." + "é" * 40)
@example("nul.")
def test_whatever_a_name_is_it_stays_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert os.path.basename(safe) == safe  # noqa: PTH119
    assert safe not in ("", ".", "..")
    assert not safe.startswith(".")
    assert not set(safe) & set('/\\:*?"<>|')
    assert safe.isprintable()
    assert len(safe.encode()) <= 255
    assert safe == safe.rstrip(". ")
    assert safe.split(".")[0].strip().lower() not in ("con", "nul", "aux", "prn", "lpt1")
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a.tar.bz2", "application/octet-stream"),
        ("a", "application/octet-stream"),
        ("a.json", "application/json"),
    ],
)
def test_the_type_is_guessed_by_the_name(name: str, kind: str) -> None:
    assert guessed(name) == kind


def test_a_content_is_read_from_where_its_file_stood_each_time() -> None:
    file = BytesIO(b"not this, but this")
    file.seek(10)
    content = opened(file, None)
    assert [b"".join(content) for _ in range(2)] == [b"but this"] * 2
    content.close()
    assert not file.closed


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 200_000)
    content = opened(path, None)
    pieces = iter(content)
    next(pieces)
    os.truncate(path, 70_000)
    with pytest.raises(FileError, match="shorter"):
        list(pieces)
    content.close()


def test_what_was_opened_here_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for source in (path, str(path), [b"x"], iter([b"x"])):
        content: Content = opened(source, None)
        assert b"".join(content) == b"x"
        content.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_part_takes_the_mode_that_any_new_file_has_and_goes_if_it_never_gets_its_name(tmp_path: Path) -> None:
    part = Part(tmp_path / "a")
    part.file.write(b"x")
    assert not (tmp_path / "a").exists()
    part.take_name()
    part.drop()
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    Part(tmp_path / "c").drop()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]  # noqa: PTH208


def test_a_pipe_in_the_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    empty = Attachment(filename="a", location="a", hash="0" * 64, size=0, mimetype="text/plain")
    assert not files.holds(tmp_path / "a", empty)
