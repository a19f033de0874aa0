"""Reads a large JSON text from a file in bounded memory, value by value, with their lines.

A value is decoded with the standard library's decoder once the buffer has `LENGTH_MAX` characters
from its start, or the rest of the file. So a decoder's failure never means that text is missing.
"""

import codecs
import json
from collections.abc import Iterator
from typing import IO, Final

from cli.located_json import JsonMistake
from core.ports import Json
from core.safe_json import DEPTH_MAX, STRING_OR_BRACKET

LENGTH_MAX: Final = 1_000_000
"""Characters of a value that is decoded at once; an event has less than a thousand."""

_READ_BYTES: Final = 1_000_000
_ESCAPE_LENGTH: Final = 12
"""The length of two escapes such as `\\ud83d`, the longest token that is invalid if cut off."""

_SPACE: Final = frozenset(" \t\r\n")


class StreamedJson:
    """A position in a JSON text.

    Args:
        file: UTF-8 text, with or without a byte order mark, opened in binary mode.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Start before the first value."""
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._at = 0
        self._is_whole = False
        self._line = 1
        self._counted_to = 0
        self._depth = 0

    @property
    def line(self) -> int:
        """The line, from 1."""
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line

    def peek(self) -> str:
        """Return the next character that is not whitespace; empty at the end.

        Raises:
            JsonMistake: The text is not UTF-8.
            OSError: The file cannot be read.
        """
        while True:
            self._fill()
            text, at = self._text, self._at
            while at < len(text) and text[at] in _SPACE:
                at += 1
            self._at = at
            if at < len(text):
                return text[at]
            if self._is_whole:
                return ""

    def items(self) -> Iterator[None]:
        """Yield at the start of each item of an array; the caller reads the item.

        Raises:
            JsonMistake: There is no valid array, or the text is not UTF-8.
            OSError: The file cannot be read.
        """
        yield from self._parts("[", "]")

    def members(self) -> Iterator[str]:
        """Yield the name of each member of an object, at its value; the caller reads the value.

        Raises:
            JsonMistake: There is no valid object, or the text is not UTF-8.
            OSError: The file cannot be read.
        """
        for _ in self._parts("{", "}"):
            if self.peek() != '"':
                raise JsonMistake("expected a quoted name", self.line)
            name = self.value()
            self._take(":", "expected a colon")
            yield name

    def value(self) -> Json:
        """Read a value of at most `LENGTH_MAX` characters.

        Raises:
            JsonMistake: It is longer, too deep or invalid, or the text is not UTF-8.
            OSError: The file cannot be read.
        """
        if self.peek() in ("[", "{") and self._is_too_deep():
            # The decoder would recurse, and a deep recursion may end the process.
            raise self._too_deep()
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except ValueError as error:
            raise self._mistake(error) from error
        if end - self._at > LENGTH_MAX:
            raise self._too_long()
        self._at = end
        return value

    def skip(self) -> None:
        """Read a value of any length without keeping it. Raises as `value` does."""
        following = self.peek()
        if following not in ("[", "{"):
            self.value()
            return
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._too_deep()
        for _ in self.items() if following == "[" else self.members():
            self.skip()
        self._depth -= 1

    def end(self) -> None:
        """Check that nothing but whitespace follows. Raises as `peek` does."""
        if self.peek():
            raise JsonMistake("unexpected text after the end", self.line)

    def _is_too_deep(self) -> bool:
        """Tell whether the array or object at the position is nested too deep."""
        depth = 0
        for part in STRING_OR_BRACKET.finditer(self._text, self._at):
            if part[0] in ("[", "{"):
                depth += 1
                if depth > DEPTH_MAX:
                    return True
            elif part[0] in ("]", "}"):
                depth -= 1
                if not depth:
                    break
        return False

    def _parts(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening, f"expected {opening}")
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            yield
            if self.peek() == closing:
                self._at += 1
                return
            self._take(",", f"expected a comma or {closing}")

    def _take(self, character: str, message: str) -> None:
        if self.peek() != character:
            raise JsonMistake(message, self.line)
        self._at += 1

    def _fill(self) -> None:
        """Have `LENGTH_MAX` characters from the position on, or the rest of the file."""
        if self._is_whole or len(self._text) - self._at > LENGTH_MAX:
            return
        _ = self.line
        parts, length = [self._text[self._at :]], len(self._text) - self._at
        while length <= LENGTH_MAX and not self._is_whole:
            content = self._file.read(_READ_BYTES)
            self._is_whole = not content
            try:
                parts.append(self._decode(content, self._is_whole))
            except UnicodeDecodeError as error:
                before = "".join(parts).count("\n") + error.object[: error.start].count(b"\n")
                raise JsonMistake("not UTF-8 text", self._line + before) from error
            length += len(parts[-1])
        self._text, self._at, self._counted_to = "".join(parts), 0, 0

    def _mistake(self, error: ValueError) -> JsonMistake:
        if not isinstance(error, json.JSONDecodeError):
            return JsonMistake(str(error), self.line)
        is_cut = error.pos > len(self._text) - _ESCAPE_LENGTH or error.msg.startswith("Untermin")
        if is_cut and not self._is_whole:
            return self._too_long()
        return JsonMistake(error.msg, self.line + self._text.count("\n", self._at, error.pos))

    def _too_long(self) -> JsonMistake:
        return JsonMistake(f"a value of more than {LENGTH_MAX:,} characters", self.line)

    def _too_deep(self) -> JsonMistake:
        return JsonMistake(f"nested more than {DEPTH_MAX} levels deep", self.line)


_DECODER = json.JSONDecoder()
