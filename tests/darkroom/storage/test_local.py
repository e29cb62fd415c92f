"""Folders, and what is opened by its address."""

from pathlib import Path

import pytest

from darkroom.errors import UnreadableObjectError, UsageError
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import open_store, read_uri


def test_a_folder_in_place_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableObjectError):
        LocalStore(tmp_path.parent).read(tmp_path.name)


def test_a_write_that_fails_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        LocalStore(tmp_path / "file").write("key", b"")


def test_a_single_file_by_path_and_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ünï 100%.bin"
    path.write_bytes(b"x")
    assert read_uri(str(path)) == b"x"
    assert read_uri(path.as_uri()) == b"x"
    monkeypatch.chdir(tmp_path)
    assert read_uri(path.name) == b"x"


def test_other_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match="only s3://"):
        open_store("ftp://somewhere/x")
