"""What comes out of archives, of each kind: bytes, or a reason, for whatever they name."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile

import pytest

from darkroom.archives.members import members
from darkroom.archives.ranges import ArchiveFile
from darkroom.archives.reading import ArchiveLimits
from tests.darkroom.archives.packed import (
    LIMITS,
    PACKED,
    tarred,
    told,
    unpack,
    with_flags,
    zipped,
)

kinds = pytest.mark.parametrize("name", PACKED)
FILES = {"Test/apple/1.jpg": b"one", "Test/apple/2.jpg": b"two" * 100, "3.jpg": b""}


@kinds
def test_every_file_comes_out_with_its_path(name: str) -> None:
    assert told(unpack(PACKED[name](FILES), f"b/{name}")) == {
        f"{name}/{path}": data for path, data in FILES.items()
    }


@kinds
def test_an_archive_can_be_gone_on_with_at_any_member(name: str) -> None:
    whole = unpack(PACKED[name](FILES), f"b/{name}")
    for start in range(len(whole) + 1):
        assert unpack(PACKED[name](FILES), f"b/{name}", start=start) == whole[start:]


@kinds
def test_an_archive_that_is_cut_off_anywhere_says_so(name: str) -> None:
    """No part of one may pass for a whole one: what was in it would be lost without a word."""
    noise = random.Random(5)
    files = {f"{n}.jpg": noise.randbytes(900) for n in range(8)}
    packed = PACKED[name](files)
    whole = len(packed)
    if name == "a.tar":  # what follows the end mark fills a block
        whole = 8 * (512 + 1024) + 512
    for length in range(0, whole, 97):
        found = told(unpack(packed[:length], f"b/{name}"))
        assert found.get(name) in ("truncated", "empty"), length
        for path, data in files.items():
            assert found.get(f"{name}/{path}", data) in (data, "truncated")


@kinds
def test_damage_never_goes_unnoticed_and_never_raises(name: str) -> None:
    noise = random.Random(7)
    files = {f"{n}.jpg": noise.randbytes(500) for n in range(5)}
    packed = PACKED[name](files)
    for _ in range(300):
        broken = bytearray(packed)
        at = noise.randrange(len(broken))
        broken[at : at + 8] = noise.randbytes(len(broken[at : at + 8]))
        unpack(bytes(broken), f"b/{name}")


@pytest.mark.parametrize(
    "member", ["../up.jpg", "/etc/x.jpg", "a/../../x.jpg", "C:\\x.jpg", "a/\tb.jpg", "\\x.jpg"]
)
@kinds
def test_names_that_lead_elsewhere_are_refused(name: str, member: str) -> None:
    found = told(unpack(PACKED[name]({member: b"evil", "good.jpg": b"good"}), f"b/{name}"))
    assert found == {f"{name}/#0.jpg": "bad_name", f"{name}/good.jpg": b"good"}


@kinds
def test_two_files_of_one_name_are_both_told_of(name: str) -> None:
    packed = PACKED[name]({"./1.jpg": b"first", "1.jpg": b"second", "x//1.jpg": b"third"})
    assert told(unpack(packed, f"b/{name}")) == {
        f"{name}/1.jpg": b"first",
        f"{name}/1.jpg #1.jpg": "bad_name",
        f"{name}/x/1.jpg": b"third",
    }


@kinds
def test_a_member_that_is_too_large_is_not_read(name: str) -> None:
    packed = PACKED[name]({"big.jpg": bytes(1001), "good.jpg": bytes(1000)})
    found = told(unpack(packed, f"b/{name}"))
    assert found == {f"{name}/big.jpg": "too_large", f"{name}/good.jpg": bytes(1000)}


@kinds
def test_archives_in_archives_stay_packed(name: str) -> None:
    packed = PACKED[name]({"inner.zip": zipped(FILES), "inner.tar.gz": b"x"})
    assert set(told(unpack(packed, f"b/{name}")).values()) == {"unsupported_mode"}


@kinds
def test_more_members_than_the_limit_are_told_of_together(name: str) -> None:
    limits = ArchiveLimits(1000, max_members=3)
    packed = PACKED[name]({f"{n}.jpg": b"x" for n in range(9)})
    found = told(unpack(packed, f"b/{name}", limits))
    assert list(found) == [f"{name}/0.jpg", f"{name}/1.jpg", f"{name}/2.jpg", name]
    assert found[name] == "archive_limit"


@pytest.mark.parametrize("name", [name for name in PACKED if name != "a.tar"])
def test_a_bomb_goes_off_in_nobody_s_memory(name: str) -> None:
    limits = ArchiveLimits(100_000, max_growth=5, free_bytes=50_000)
    packed = PACKED[name]({f"{n}.jpg": bytes(20_000) for n in range(50)})
    found = unpack(packed, f"b/{name}", limits)
    assert told(found)[name] == "archive_limit"
    out = sum(len(member.content) for member in found if isinstance(member.content, bytes))
    assert out <= 50_000 + 5 * len(packed)


@kinds
def test_an_archive_without_files_is_empty(name: str) -> None:
    assert told(unpack(PACKED[name]({}), f"b/{name}")) == {name: "empty"}
    assert told(unpack(b"", f"b/{name}")) == {name: "empty"}


def test_encrypted_members_are_refused_one_by_one() -> None:
    assert told(unpack(with_flags(zipped({"1.jpg": b"x"}), 1))) == {"a.zip/1.jpg": "encrypted"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_files_are_read_however_they_are_packed(method: int) -> None:
    assert told(unpack(zipped({"1.jpg": b"x" * 500}, method))) == {"a.zip/1.jpg": b"x" * 500}


def test_a_method_that_nobody_knows_says_what_to_do() -> None:
    packed = bytearray(zipped({"1.jpg": b"x" * 500, "2.jpg": b"y"}))
    for signature, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        packed[packed.find(signature) + offset] = 97
    first, second = unpack(bytes(packed))
    assert told([first]) == {"a.zip/1.jpg": "unsupported_mode"}
    assert "pack it anew" in str(first.content)
    assert second.content == b"y"


def test_a_member_whose_checksum_is_wrong_is_refused() -> None:
    packed = zipped({"1.jpg": b"right" * 20}, zipfile.ZIP_STORED).replace(b"right", b"wrong", 1)
    assert told(unpack(packed)) == {"a.zip/1.jpg": "decode_error"}


def test_links_and_devices_in_a_tar_are_refused() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind in (("1.jpg", tarfile.SYMTYPE), ("2.jpg", tarfile.LNKTYPE),
                           ("3.jpg", tarfile.FIFOTYPE), ("folder", tarfile.DIRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = told(unpack(packed.getvalue(), "b/a.tar"))
    assert found == dict.fromkeys([f"a.tar/{n}.jpg" for n in (1, 2, 3)], "unsupported_mode")


def test_what_an_archive_is_its_bytes_say() -> None:
    """Many a .tar is compressed."""
    packed = gzip.compress(tarred(FILES))
    assert told(unpack(packed, "b/a.tar")) == {f"a.tar/{path}": d for path, d in FILES.items()}


def test_a_header_that_would_fill_the_memory_is_damage() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 10 * 1024**3
    packed = gzip.compress(info.tobuf() + bytes(100_000))
    assert told(unpack(packed, "b/a.tar.gz")) == {"a.tar.gz": "truncated"}


def test_names_of_more_bytes_than_s3_takes_are_refused() -> None:
    packed = zipped({"x" * 1020 + ".jpg": b"x"})
    assert told(unpack(packed)) == {"a.zip/#0.jpg": "bad_name"}


@kinds
def test_a_stored_archive_is_read_in_few_large_ranges(name: str) -> None:
    noise = random.Random(3)
    packed = PACKED[name]({f"{n}.jpg": noise.randbytes(900) for n in range(2000)})
    asked: list[int] = []

    def read_range(start: int, length: int) -> bytes:
        asked.append(length)
        return packed[start : start + length]

    file = ArchiveFile(read_range, len(packed))
    found = list(members(file, len(packed), f"b/{name}", LIMITS))  # type: ignore[arg-type]
    assert len(found) == 2000
    assert len(asked) <= 4
