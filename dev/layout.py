"""The paths of all files and folders of a clone that development commands use."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one clone.

    Args:
        root: The absolute path of the clone.
    """

    root: Path

    @property
    def is_clone(self) -> bool:
        """Whether this is a clone, not the installed command `clawr`, which has a part of it."""
        return (self.root / "Makefile").is_file()

    @property
    def venv(self) -> Path:
        """The host's virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter of the virtual environment."""
        return self.venv / "bin" / "python"

    @property
    def locks(self) -> Path:
        """The hashed lock files of Python packages."""
        return self.root / "dev" / "locks"

    @property
    def node_modules(self) -> Path:
        """The npm packages."""
        return self.root / "node_modules"

    @property
    def economy(self) -> Path:
        """The npm package of the local payment economy, with its own dependencies."""
        return self.root / "dev" / "economy" / "node"

    @property
    def python_modules(self) -> Path:
        """The Python packages vendored for the Worker; wrangler and pywrangler require the name."""
        return self.root / "python_modules"

    @property
    def venv_workers(self) -> Path:
        """pywrangler's environment; set-up writes only its token file."""
        return self.root / ".venv-workers"

    @property
    def inside_modules(self) -> Path:
        """The Python packages vendored for the Worker that runs pytest inside workerd."""
        return self.cache / "inside" / "python_modules"

    @property
    def openapi_module(self) -> Path:
        """The generated module that holds the OpenAPI document; the Worker serves it."""
        return self.root / "src" / "api" / "openapi_document.py"

    @property
    def api_reference(self) -> Path:
        """The page generated from the OpenAPI document."""
        return self.root / "docs" / "reference" / "api.md"

    @property
    def api_examples(self) -> Path:
        """Recorded responses, the examples of that page."""
        return self.root / "dev" / "openapi" / "examples.json"

    @property
    def cache(self) -> Path:
        """All other files that set-up and the launcher write."""
        return self.root / ".clawr"

    @property
    def bytecode(self) -> Path:
        """Python's bytecode; beside the sources, it would reload a running `make dev`."""
        return self.cache / "bytecode"

    @property
    def bundles(self) -> Path:
        """The Pyodide bundles, one folder for each combination of versions."""
        return self.cache / "bundles"

    @property
    def databases(self) -> Path:
        """New local databases with all migrations, which are copied into a new STATE."""
        return self.cache / "databases"

    @property
    def runs(self) -> Path:
        """One folder for each running dispatcher."""
        return self.cache / "run"

    @property
    def running(self) -> Path:
        """One file for each running `make dev`, with the path of its STATE folder."""
        return self.cache / "running"

    @property
    def logs(self) -> Path:
        """Output of the tools that set-up runs."""
        return self.cache / "logs"

    @property
    def wrangler_toml(self) -> Path:
        """The production configuration."""
        return self.root / "wrangler.toml"


HERE = Layout(Path(__file__).resolve().parent.parent)
"""The clone that this file belongs to."""
