"""Prints one line for each step of set-up, with its duration."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

TICK_SECONDS = 1.0


@contextmanager
def shown(title: str, stream: TextIO = sys.stderr) -> Iterator[None]:
    """Print the title of a step and its duration.

    On a terminal the line counts the seconds; elsewhere it is printed at the start and at the
    end.

    Args:
        title: The step, in the form "Installing …".
        stream: The output stream.
    """
    started = time.monotonic()
    finished = threading.Event()
    if stream.isatty():
        ticker = threading.Thread(
            target=_tick, args=(title, stream, started, finished), daemon=True
        )
        ticker.start()
    else:
        ticker = None
        print(f"{title} …", file=stream, flush=True)
    try:
        yield
    except BaseException:
        _end(ticker, finished)
        if ticker:
            print(file=stream, flush=True)
        raise
    _end(ticker, finished)
    beginning = "\r" if ticker else ""
    seconds = time.monotonic() - started
    print(f"{beginning}{title} … done in {seconds:.1f} s", file=stream, flush=True)


def _tick(title: str, stream: TextIO, started: float, finished: threading.Event) -> None:
    while not finished.is_set():
        print(f"\r{title} … {time.monotonic() - started:.0f} s", end="", file=stream, flush=True)
        finished.wait(TICK_SECONDS)


def _end(ticker: threading.Thread | None, finished: threading.Event) -> None:
    finished.set()
    if ticker:
        ticker.join()
