"""Reads the columns of a CSV file: texts become values of one type."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cli.publish.data.cells import ARTICLES, LOCAL_WORDS, WORDS, Typed, type_as, type_texts
from cli.publish.data.offers import Offer, explain, flag, notes_of
from cli.publish.data.options import Reading
from cli.publish.data.table import Column, Value
from cli.publish.validation import Findings

SHOWN_LENGTH: Final = 40
NULL_WORDS: Final = (r"\N", "NULL", "#N/A")
"""Texts that databases and spreadsheets write for no value."""


class TextColumns:
    """Reads columns, and collects why some of them became text.

    Args:
        reading: The options.
        lines: For each cell, its line.
        place: The file, for messages.
        findings: Mistakes are added to it.
        notes: What was changed is added to it.
    """

    def __init__(
        self,
        reading: Reading,
        lines: Sequence[int],
        place: str,
        findings: Findings,
        notes: list[str],
    ) -> None:
        """Start without columns."""
        self._reading = reading
        self._lines = lines
        self._place = place
        self._findings = findings
        self._notes = notes
        self._nulls = frozenset({"", *reading.empty})
        self._offers: dict[str, Offer] = {}

    def read(self, name: str, cells: Sequence[str]) -> tuple[Column, Sequence[Value]]:
        """Return a column and its values.

        Args:
            name: Its name.
            cells: Its texts, without spaces around them.
        """
        texts = dict.fromkeys(cells)
        is_nullable = False
        for null in self._nulls & texts.keys():
            del texts[null]
            is_nullable = True
        if not texts:
            return Column(name, "null", is_nullable=True), [None] * len(cells)
        return self._typed(name, cells, [*texts], is_nullable=is_nullable)

    def offers(self) -> Iterator[str]:
        """Yield notes that say which options would read more columns."""
        return notes_of(self._offers)

    def _typed(
        self, name: str, cells: Sequence[str], texts: Sequence[str], *, is_nullable: bool
    ) -> tuple[Column, Sequence[Value]]:
        wanted = self._reading.types.get(name)
        typed = (
            type_as(wanted, texts, self._reading) if wanted else type_texts(texts, self._reading)
        )
        for text in typed.misfits:
            self._findings.add(
                f"column {name}: {text[:SHOWN_LENGTH]!r} is not {ARTICLES[typed.type]}; if it "
                f"means no value, add {flag('--empty', text)}",
                self._place,
                self._line(cells, text),
            )
        why = ""
        if typed.type == "text":
            why = "" if wanted else self._why(name, cells, texts)
            self._find_null_words(name, cells, typed.values)
        self._note_reading(name, typed)
        column = Column(name, typed.type, is_nullable, typed.unit, why)
        if typed.type == "text" and not is_nullable:
            return column, cells
        return column, [*map(typed.values.get, cells)]

    def _why(self, name: str, cells: Sequence[str], texts: Sequence[str]) -> str:
        explained = explain(texts, self._reading)
        if explained is None:
            return ""
        if explained.offer is not None:
            self._offers[name] = explained.offer
        shown = repr(explained.text[:SHOWN_LENGTH])
        reason = f" {explained.reason}" if explained.reason else ""
        return f"line {self._line(cells, explained.text)}: {shown}{reason}"

    def _find_null_words(
        self, name: str, cells: Sequence[str], values: Mapping[str, Value]
    ) -> None:
        for word in NULL_WORDS:
            if word in values and name not in self._offers:
                self._notes.append(
                    f"{name} is {word!r} in line {self._line(cells, word)}. If that means no "
                    f"value, add {flag('--empty', word)}."
                )

    def _note_reading(self, name: str, typed: Typed) -> None:
        if typed.unit:
            self._notes.append(f"{name} has numbers without their sign {typed.unit}.")
        local = next((text for text in typed.values if text in LOCAL_WORDS), None)
        if typed.type == "boolean" and local:
            self._notes.append(f"{name} is boolean: {local} is {str(WORDS[local]).lower()}.")

    def _line(self, cells: Sequence[str], text: str) -> int:
        return self._lines[cells.index(text)]
