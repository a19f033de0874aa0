"""File locks between processes."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path, waiting: str | None = None) -> Iterator[int]:
    """Hold an exclusive lock on the file `path` during a `with` block.

    The kernel releases the lock when the last process that inherited it ends. So a killed
    process leaves no stale lock, and a tool that outlives it keeps the lock.

    Args:
        path: The lock file; it and its folder are created if missing.
        waiting: The message to print if another process has the lock.

    Yields:
        The lock's file descriptor, which tools that write must inherit.
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
