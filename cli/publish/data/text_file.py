"""Reads a file as text: its byte order mark or the given encoding decides, otherwise UTF-8.

Other encodings cannot be told apart with certainty, so they are offered with what a line becomes.
"""

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cli.errors import Finding, InputError

FILE_BYTES_MAX: Final = 200 * 1024 * 1024
"""More than any dataset within the limits has; such a file is not read."""

OFFERED_MAX: Final = 4
PREVIEW_LENGTH: Final = 60

_SAMPLE_BYTES = 64 * 1024
_MARKS: Sequence[tuple[bytes, str]] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FORMATS: Sequence[tuple[bytes, str]] = (
    (b"PK\x03\x04", "a ZIP archive, perhaps an Excel or LibreOffice workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
)


def read_text(path: Path, encoding: str | None) -> str:
    """Return the text of a file, without a byte order mark.

    Args:
        path: The file.
        encoding: Its encoding, as a name that Python knows; `None` for UTF-8 or that of the mark.

    Raises:
        InputError: The file is too large, is not text, or has another encoding.
    """
    size = path.stat().st_size
    if size > FILE_BYTES_MAX:
        raise InputError(
            f"{path.name} has {size:,} bytes; a file may have {FILE_BYTES_MAX:,}.",
            "It was not read. Split it into several APIs, or publish a Worker that reads it "
            "from KV.",
        )
    content = path.read_bytes()
    for start, what in _OTHER_FORMATS:
        if content.startswith(start):
            raise InputError(
                f"{path.name} is {what}, not text.",
                "Export it as CSV; spreadsheets offer “CSV UTF-8”.",
            )
    if encoding is None and (utf16 := _unmarked_utf16(content)):
        raise InputError(
            f"{path.name} looks like UTF-16 without a byte order mark.", f"Add --encoding {utf16}."
        )
    mark, by_mark = next(
        ((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "")
    )
    try:
        text = (
            content[len(mark) :].decode(by_mark) if by_mark else content.decode(encoding or "utf-8")
        )
    except UnicodeDecodeError as error:
        raise _undecodable(path.name, content, error, encoding or by_mark) from error
    if "\0" in text:
        before = text.partition("\0")[0]
        raise InputError(
            f"{path.name} has a NUL character: it is damaged, or not text.",
            "Export it again, or give its --encoding.",
            [
                Finding(
                    f"after {before.rpartition(chr(10))[2][-PREVIEW_LENGTH:]!r}",
                    path.name,
                    before.count("\n") + 1,
                )
            ],
        )
    return text.removeprefix("\ufeff")


def _undecodable(
    place: str, content: bytes, error: UnicodeDecodeError, encoding: str
) -> InputError:
    line = content.count(b"\n", 0, len(content) - len(error.object) + error.start) + 1
    byte = f"0x{error.object[error.start]:02x}"
    if encoding:
        return InputError(
            f"{place} is not {encoding} text.",
            "Give another --encoding, or save the file as UTF-8.",
            [Finding(f"invalid byte {byte}", place, line)],
        )
    start = content.rfind(b"\n", 0, error.start) + 1
    preview = content[start : start + PREVIEW_LENGTH].partition(b"\n")[0]
    offers = [
        Finding(f"--encoding {name} reads {text!r}", place, line)
        for name, text in _offered(content, preview)
    ]
    return InputError(
        f"{place} is not UTF-8 text: invalid byte {byte} in line {line}.",
        "Add the --encoding that reads the line correctly."
        if offers
        else "Give its --encoding, or save it as UTF-8; spreadsheets offer “CSV UTF-8”.",
        offers or [Finding(f"invalid byte {byte}", place, line)],
    )


def _offered(content: bytes, preview: bytes) -> Iterator[tuple[str, str]]:
    """Yield encodings that may be the right one, each with what it makes of a line."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - rarely needed

    lines = (line for line in content.splitlines() if not line.isascii())
    sample = b""
    for line in lines:
        sample += line + b"\n"
        if len(sample) > _SAMPLE_BYTES:
            break
    # The library prefers cp1250 for short texts in Western European languages.
    names = ["cp1252", *(match.encoding for match in from_bytes(sample)), "cp850", "mac_roman"]
    seen: set[str] = set()
    for name in names:
        try:
            content.decode(name)
            text = preview.decode(name, "ignore").strip()
        except (UnicodeDecodeError, LookupError):
            continue
        if text not in seen and text.isprintable():
            seen.add(text)
            yield name.replace("cp125", "windows-125").replace("_", "-"), text
        if len(seen) == OFFERED_MAX:
            return


def _unmarked_utf16(content: bytes) -> str:
    """Return the encoding if every other byte is mostly zero, as in Western texts; else nothing."""
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
            if content[first:_SAMPLE_BYTES:2].count(0) > len(content[:_SAMPLE_BYTES]) // 4:
                return name
    return ""
