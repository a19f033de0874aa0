"""Stamps: files that mark a step of set-up as done.

A stamp is in the folder that the step creates, so it is deleted with the folder. It is written
last and atomically. Its text is a hash of everything that the result of the step depends on.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAMP_NAME = ".clawr-stamp"


def fingerprint(*inputs: Path | str) -> str:
    """Return a hash of files and texts, in their order.

    Args:
        inputs: Paths, whose files are read, and texts.

    Returns:
        A SHA-256 digest in hexadecimal.
    """
    digest = hashlib.sha256()
    for item in inputs:
        content = item.read_bytes() if isinstance(item, Path) else item.encode()
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def is_stamped(stamp: Path, expected: str) -> bool:
    """Return whether the file `stamp` contains the fingerprint `expected`."""
    try:
        return stamp.read_text() == expected
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file atomically: readers see the old or the new content.

    Args:
        path: The file; its folder must exist.
        content: Its new content.
        mode: Its permissions.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def temporary_file(path: Path, content: bytes, mode: int = 0o644) -> Iterator[None]:
    """Write a file atomically, and remove it after the `with` block.

    Args:
        path: The file; its folder must exist.
        content: Its content.
        mode: Its permissions.
    """
    write_atomically(path, content, mode)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
