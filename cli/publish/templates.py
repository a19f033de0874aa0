"""The JavaScript of generated scripts, which is in `templates/`."""

import json
from pathlib import Path
from typing import Any, Final

from cli.publish.bundle import Module

COMPATIBILITY_DATE: Final = "2026-11-01"
"""What the templates are written and tested for."""

_FOLDER = Path(__file__).with_name("templates")


def template(name: str) -> list[Module]:
    """Return the modules of a template.

    Args:
        name: Its folder.
    """
    return [Module(file.name, file.read_bytes()) for file in sorted((_FOLDER / name).glob("*.js"))]


def constant(module: str, name: str, value: Any) -> Module:  # noqa: ANN401 (anything JSON has)
    """Return a module that exports one value.

    Args:
        module: Its name.
        name: The export's name.
        value: What JSON can hold.
    """
    # JSON is JavaScript since ECMAScript 2019.
    text = f"export const {name} = {json.dumps(value, ensure_ascii=False)};\n"
    return Module(module, text.encode())
