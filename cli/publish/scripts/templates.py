"""Loads the JavaScript templates of generated scripts from `templates/`."""

import json
from pathlib import Path
from typing import Any, Final

from cli.publish.scripts.bundle import Module

COMPATIBILITY_DATE: Final = "2026-11-01"
"""The compatibility date that the templates are tested with."""

_FOLDER = Path(__file__).with_name("templates")


def template(name: str) -> list[Module]:
    """Return the modules of a template.

    Args:
        name: The template's folder, `dataset` or `wrap`.
    """
    return [Module(file.name, file.read_bytes()) for file in sorted((_FOLDER / name).glob("*.js"))]


def constant(module: str, name: str, value: Any) -> Module:  # noqa: ANN401 (anything JSON has)
    """Return a module that exports one value.

    Args:
        module: The module's name.
        name: The export's name.
        value: Any JSON value.
    """
    # Since ECMAScript 2019, every JSON text is a valid JavaScript expression.
    text = f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
    return Module(module, text.encode())
