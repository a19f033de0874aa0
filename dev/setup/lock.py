"""File locks: one process at a time in a stretch of code."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path, waiting: str | None = None) -> Iterator[int]:
    """Hold the lock file `path`, waiting for whoever holds it now.

    The kernel frees the lock when the last process that inherited it ends, so a killed
    holder leaves no stale lock, and a tool of its own that outlives it is waited for.

    Args:
        path: The lock file; it and its folder are made where missing.
        waiting: What to tell the user when there is someone to wait for.

    Yields:
        The lock's file descriptor, to be inherited by the tools that write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, file=sys.stderr, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
