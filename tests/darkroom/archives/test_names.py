"""Names in old code pages, and those that say which."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from darkroom.archives.names import code_page
from tests.darkroom.archives.packed import told, unpack, zipped_raw

NAMES = [
    ("Äpfel/Grün.jpg", "cp437"),
    ("château/été.jpg", "cp437"),
    ("Crème brûlée/à point.jpg", "cp437"),
    ("Ñandú/piña.jpg", "cp437"),
    ("りんご/写真1.jpg", "cp932"),
    ("テスト/1.jpg", "cp932"),
    ("林檎/アップル 01.jpg", "cp932"),
    ("Pêche plate/été.jpg", "utf-8"),
    ("日本/🍑.jpg", "utf-8"),
    ("plain/1.jpg", "utf-8"),
]


@pytest.mark.parametrize(("name", "page"), NAMES)
def test_a_name_is_read_in_the_code_page_it_was_written_in(name: str, page: str) -> None:
    assert code_page([name.encode(page)]) == page
    assert told(unpack(zipped_raw([name.encode(page)]))) == {f"a.zip/{name}": b"picture"}


def test_the_names_of_an_archive_are_looked_at_together() -> None:
    """One letter alone tells nothing: the others do."""
    names = ["林/1.jpg", "りんご/2.jpg"]
    found = told(unpack(zipped_raw([name.encode("cp932") for name in names])))
    assert list(found) == [f"a.zip/{name}" for name in names]


def test_a_name_that_is_flagged_as_utf8_is_utf8() -> None:
    name = "テスト/é.jpg"
    assert told(unpack(zipped_raw([name.encode()], flags=0x800))) == {f"a.zip/{name}": b"picture"}


def test_a_name_that_is_added_in_unicode_counts() -> None:
    raw, right = "?.jpg", "Ω.jpg"
    info = zipfile.ZipInfo(raw)
    told_apart = b"\1" + struct.pack("<L", zlib.crc32(raw.encode())) + right.encode()
    info.extra = struct.pack("<HH", 0x7075, len(told_apart)) + told_apart
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(info, b"picture")
    assert told(unpack(packed.getvalue())) == {f"a.zip/{right}": b"picture"}
