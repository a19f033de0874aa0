"""Names of the KV namespaces and databases created through the API, in a file in STATE.

Those that the dispatcher's configuration binds are not in the file; the explorer lists them.
"""

import json
from pathlib import Path
from typing import Final

from dev.setup.stamp import write_atomically

FILE_NAME: Final = "created.json"


class CreatedNames:
    """The names of one kind of resource, by id.

    Args:
        state: The dispatcher's STATE folder.
        kind: `kv` or `d1`.
    """

    def __init__(self, state: Path, kind: str) -> None:
        """Keep the arguments."""
        self._file = state / FILE_NAME
        self._kind = kind

    def names(self) -> dict[str, str]:
        """Return all names by id."""
        return dict(self._read().get(self._kind, {}))

    def put(self, one_id: str, name: str) -> None:
        """Store a name."""
        self._write({**self.names(), one_id: name})

    def remove(self, one_id: str) -> None:
        """Remove a name."""
        self._write({key: name for key, name in self.names().items() if key != one_id})

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            document: dict[str, dict[str, str]] = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return document

    def _write(self, names: dict[str, str]) -> None:
        document = {**self._read(), self._kind: names}
        write_atomically(self._file, json.dumps(document, ensure_ascii=False, indent=1).encode())
