"""Writes the OpenAPI document of `src/api/routes.py`, and `docs/reference/api.md` from it.

`python -m dev.openapi` writes both files, and `make check` verifies them. Others may import
`generated` (the files), `document` (the document as a value) and `tables` (Markdown tables).
Modules here import those of `src/`, so this package puts that folder on Python's path.
"""

import sys

from dev.layout import HERE

_SOURCE = str(HERE.root / "src")

if _SOURCE not in sys.path:
    sys.path.append(_SOURCE)
