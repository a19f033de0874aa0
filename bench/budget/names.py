"""Full names of functions that V8 shows by number or short name in WebAssembly and glue.

The WebAssembly has no name section, but exports most of CPython's functions by name. The glue
contains `a(short,"long")` for its shortened function names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dev.layout import Layout

_HEADER_BYTES = 8
_EXPORT_SECTION = 7
_FUNCTION = 0
_SHORTENED = re.compile(r'\ba\((\w+),"(\w+)"\)')


def python_functions(layout: Layout) -> Mapping[int, str]:
    """Return the names of the exported functions of `pyodide.asm.wasm` by number."""
    wasm = (layout.node_modules / "pyodide" / "pyodide.asm.wasm").read_bytes()
    return exported_functions(wasm)


def glue_functions(layout: Layout) -> Mapping[str, str]:
    """Return the full names of the glue's functions by their short names."""
    glue = (layout.node_modules / "pyodide" / "pyodide.asm.mjs").read_text(encoding="utf-8")
    return dict(_SHORTENED.findall(glue))


def exported_functions(wasm: bytes) -> dict[int, str]:
    """Return the names of the exported functions of a WebAssembly module by number.

    The format: https://webassembly.github.io/spec/core/binary/modules.html#export-section.
    If a function has several names, the first one is used.
    """
    names: dict[int, str] = {}
    at = _HEADER_BYTES
    while at < len(wasm):
        section = wasm[at]
        length, at = _number(wasm, at + 1)
        if section != _EXPORT_SECTION:
            at += length
            continue
        exports, at = _number(wasm, at)
        for _ in range(exports):
            size, at = _number(wasm, at)
            name, kind = wasm[at : at + size].decode(), wasm[at + size]
            index, at = _number(wasm, at + size + 1)
            if kind == _FUNCTION:
                names.setdefault(index, name)
    return names


def _number(wasm: bytes, at: int) -> tuple[int, int]:
    """Read a LEB128 number; return the number and the position after it."""
    value = shift = 0
    while True:
        byte = wasm[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
