"""What kind of file the first bytes announce, whatever it is called, and what was meant as a
picture."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

Kind = Literal[
    "JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "AVIF", "PSD", "ICO", "PPM",
    "HEIF", "JXL", "RAW", "SVG",
]  # fmt: skip

# What is recognised, but not read, and what to do instead.
UNREAD: dict[Kind, str] = {
    "SVG": "drawings are not supported: export as PNG",
}

_PICTURES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".btf",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpc",
        ".jpf",
        ".jpx",
        ".jpm",
        ".jxl",
        ".psd",
        ".psb",
        ".ico",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".svg",
    ]
)
_RAW = frozenset(
    [
        ".raw",
        ".cr2",
        ".cr3",
        ".crw",
        ".nef",
        ".nrw",
        ".dng",
        ".arw",
        ".srf",
        ".sr2",
        ".srw",
        ".raf",
        ".orf",
        ".rw2",
        ".rwl",
        ".pef",
        ".3fr",
        ".fff",
        ".iiq",
        ".erf",
        ".mef",
        ".mos",
        ".mrw",
        ".x3f",
        ".kdc",
        ".dcr",
    ]
)
_OTHERS = {
    "an archive: unpack it": ".zip .tar .tgz .tbz2 .txz .tzst .7z .rar",
    "a film: extract its pictures": ".mp4 .mov .m4v .avi .mkv .webm .mpg .mpeg .wmv",
    "a document: export its pages as pictures": ".pdf .ps .eps .ai .doc .docx .ppt .pptx .odt .odp",
}
_WHAT_TO_DO = {ending: words for words, endings in _OTHERS.items() for ending in endings.split()}
IMAGE_ENDINGS = _PICTURES | _RAW

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # with offsets of eight bytes
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"8BPS\0\1", "PSD"),
    (b"8BPS\0\2", "PSD"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
    (b"\xff\x0a", "JXL"),
    (b"FUJIFILMCCD-RAW ", "RAW"),
    (b"IIRO", "RAW"),
    (b"IIRS", "RAW"),
    (b"MMOR", "RAW"),
    (b"IIU\0", "RAW"),
    (b"FOVb", "RAW"),
    (b"\0MRM", "RAW"),
)
_BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIF"),
    b"crx ": "RAW",
}
_PORTABLE = b"123456"  # the second letter of PBM, PGM and PPM, as text and binary


def looks_like_image(path: str, data: bytes) -> bool:
    """Whether a file was meant as an image, or holds images: its ending or its first bytes say so.

    `.DS_Store`, `Thumbs.db`, `_READY` or `notes.txt` are not, and are skipped rather than rejected.
    """
    return _ending(path) in IMAGE_ENDINGS | _WHAT_TO_DO.keys() or kind_of(data) is not None


def what_to_do_with(path: str) -> str:
    """Words on a file that is no picture but may hold some, by its name; '' for any other."""
    return _WHAT_TO_DO.get(_ending(path), "")


def kind_of(data: bytes) -> Kind | None:
    """The kind of image that the first bytes announce; None for none."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data[:2] == b"BM" and data[6:10] != b"\0\0\0\0":  # reserved in each BMP; text may start so
        return None
    if data[:4] == b"\0\0\1\0" and 0 < int.from_bytes(data[4:6], "little") < 256:
        return "ICO"
    if data[:1] == b"P" and data[1:2] and data[1:2] in _PORTABLE and data[2:3].isspace():
        return "PPM"
    if _is_drawing(data):
        return "SVG"
    return next((kind for magic, kind in _SIGNATURES if data.startswith(magic)), None)


def _of_brands(data: bytes) -> Kind | None:
    """By the brands of an ISO media file: its own, then those that it is compatible with."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    if brands[0] in (b"mif1", b"msf1"):  # what is in it says another
        brands.append(brands.pop(0))
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def _is_drawing(data: bytes) -> bool:
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start)


def _ending(path: str) -> str:
    name = PurePosixPath(path)
    of_tar = PurePosixPath(name.stem).suffix.lower() == ".tar"  # and compressed
    return ".tar" if of_tar else name.suffix.lower()
