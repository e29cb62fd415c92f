from pathlib import Path

import pytest

from darkroom import manifest
from darkroom.errors import UsageError
from darkroom.images.fetch import fetch
from darkroom.images.outcome import Limits, Rejection
from darkroom.manifest import Entry
from darkroom.run.folder import scan_folder, walk_folder


def test_entries_survive_storage() -> None:
    entries = [Entry("s3://uploads", "a\n🍑/é.jpg", "v1", '"etag"', 12, "0055AED6DCD90281E5")]
    assert manifest.unpack(manifest.pack(entries)) == entries
    assert manifest.pack(entries) == manifest.pack(entries)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"plain text", id="not-gzip"),
        pytest.param(manifest.pack([])[:-4], id="cut-off"),
        pytest.param(__import__("gzip").compress(b'{"no": "entry"}\n'), id="other-json"),
    ],
)
def test_other_files_are_no_manifest(data: bytes) -> None:
    with pytest.raises(UsageError, match="not a manifest"):
        manifest.unpack(data)


def test_the_newest_event_of_a_key_counts() -> None:
    def entry(key: str, version: str, sequencer: str) -> Entry:
        return Entry("s3://uploads", key, version, sequencer=sequencer)

    events = [entry("a", "2", "0100"), entry("b", "1", "05"), entry("a", "1", "FF")]
    newest = manifest.latest([*events, *reversed(events)])
    assert [(item.key, item.version_id) for item in newest] == [("a", "2"), ("b", "1")]


def test_a_folder_is_walked_in_order_with_its_own_name_first(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a/1.jpg", "0.jpg", ".DS_Store"):
        (tmp_path / "spring" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "spring" / name).write_bytes(b"12")
    entries = walk_folder(tmp_path / "spring")
    assert [entry.key for entry in entries] == [
        "spring/.DS_Store",
        "spring/0.jpg",
        "spring/a/1.jpg",
        "spring/b/2.jpg",
    ]
    assert {entry.size_bytes for entry in entries} == {2}
    assert all(entry.store == tmp_path.as_uri() for entry in entries)


def test_pipes_and_sockets_are_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    assert walk_folder(tmp_path) == []


def test_a_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    Path(str(tmp_path / "bad") + "\udcff.jpg").write_bytes(b"")
    (tmp_path / "good.jpg").write_bytes(b"")
    scan = scan_folder(tmp_path)
    assert [entry.key for entry in scan.entries] == [f"{tmp_path.name}/good.jpg"]
    assert list(map(str, scan.unreachable)) == [
        r"bad\xff.jpg (its name is not valid UTF-8: rename it)"
    ]


def test_reading_keeps_the_order_and_names_what_is_missing(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.jpg").write_bytes(bytes([number]))
    entries = [Entry(tmp_path.as_uri(), f"{number:02}.jpg") for number in range(51)]
    fetched = list(fetch(entries, Limits()))
    assert [item.entry for item in fetched] == entries
    assert [item.data for item in fetched[:50]] == [bytes([number]) for number in range(50)]
    gone = fetched[50].data
    assert isinstance(gone, Rejection)
    assert gone.reason == "missing"


def test_what_its_size_rules_out_is_never_read(tmp_path: Path) -> None:
    entry = Entry(tmp_path.as_uri(), "not-even-there.jpg", size_bytes=101)
    (item,) = fetch([entry], Limits(max_bytes=100))
    assert isinstance(item.data, Rejection)
    assert item.data.reason == "too_large"


def test_a_file_without_permission_is_missing_not_fatal(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()  # reading these fails for root too
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    names = ["folder.jpg", "loop.jpg"]
    for item in fetch([Entry(tmp_path.as_uri(), name) for name in names], Limits()):
        assert isinstance(item.data, Rejection)
        assert item.data.reason == "missing"
        assert str(tmp_path) in item.data.detail
