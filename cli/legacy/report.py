"""Writes what an import leaves out to a file, one JSON object per line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import InputError
from cli.legacy.events import NoteEntry, Refused, not_noted


@contextmanager
def open_report(report: Path | None, file: Path) -> Iterator[NoteEntry]:
    """Open a report for a `with` block, which calls the yielded function with each entry.

    Args:
        report: The file, which is replaced; `None` to write nothing.
        file: The file that is imported.

    Raises:
        InputError: The report cannot be written.
    """
    if report is None:
        yield not_noted
        return
    if report.exists() and file.exists() and report.samefile(file):
        raise InputError(f"--report would replace {file}.", "Give another file.")
    try:
        with report.open("w", encoding="utf-8") as stream:

            def note(kind: str, refused: Refused) -> None:
                entry = {
                    "index": refused.index,
                    "line": refused.line,
                    "state": kind,
                    "reasons": list(refused.reasons),
                }
                stream.write(json.dumps(entry, ensure_ascii=False) + "\n")

            yield note
    except OSError as error:
        raise InputError(
            f"The report {report} cannot be written: {error.strerror}.", "Give another --report."
        ) from error
