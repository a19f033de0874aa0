"""Stamps: how a finished step is told from a missing, outdated or half-finished one.

A stamp is a file inside the folder that the step makes, so it goes when the folder goes.
It is written last and atomically. Its text is the hash of everything that the step's
result depends on.
"""

import hashlib
import os
import tempfile
from pathlib import Path

STAMP_NAME = ".clawr-stamp"


def fingerprint(*inputs: Path | str) -> str:
    """Return the hash of the contents of files and of texts, order included.

    Args:
        inputs: A path stands for the bytes of that file, a text for itself.

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
    """Tell whether the file `stamp` holds the fingerprint `expected`."""
    try:
        return stamp.read_text() == expected
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return False


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Args:
        path: The file; its folder must exist.
        content: Its new bytes.
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
