# JavaScript's globals, as Pyodide's module `js` offers them: without types.
from typing import Any

def __getattr__(name: str) -> Any: ...
