"""Starts the Worker that runs pytest inside workerd, and sends it the tests to run."""

import json
import tempfile
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from dev.launch.config import development_config, load_production_config
from dev.launch.options import LaunchOptions
from dev.launch.run_folder import RunFolder, copy_sources
from dev.launch.start import plugin_folder, start_in
from dev.layout import HERE, Layout

INSIDE = Path(__file__).parent / "inside"
SCRIPTS = Path(__file__).parent / "scripts"
"""The scripts in the dispatch namespace of these tests."""

SQL_OBJECT = "SQL_OBJECT"
"""The binding of the Durable Objects whose databases the tests use directly."""

RUN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one test, or of one set of parameters of a test.

    Args:
        nodeid: The id of the test in pytest, relative to `inside/`.
        outcome: "passed", "failed" or "skipped".
        text: pytest's text of the failure or of the reason.
        expected_failure: The reason of `xfail`, or `None`.
        output: What the test printed.
    """

    nodeid: str
    outcome: str
    text: str
    expected_failure: str | None
    output: str

    @property
    def function(self) -> str:
        """The name of the test without its parameters."""
        return self.nodeid.partition("[")[0]


class InsideWorker:
    """A running Worker with the project's modules, its bindings, and pytest.

    Args:
        layout: The clone; set-up for tools must have run.
        state: The folder of its data; one that is removed at the end without it.
    """

    def __init__(self, layout: Layout = HERE, state: Path | None = None) -> None:
        """Start the Worker and wait for it."""
        self._state = tempfile.TemporaryDirectory()
        SCRIPTS.mkdir(exist_ok=True)
        options = LaunchOptions(port=0, state=state or Path(self._state.name), namespace=SCRIPTS)
        folder = RunFolder(layout, {"python_modules": layout.inside_modules})
        copy_sources(layout.root / "src", folder.path / INSIDE.name)
        copy_sources(INSIDE, folder.path / INSIDE.name)
        production = load_production_config(layout.wrangler_toml)
        config = development_config(production, options, plugin_folder(layout))
        config["main"] = f"{INSIDE.name}/inside_entry.py"
        config["durable_objects"]["bindings"].append(
            {"name": SQL_OBJECT, "class_name": "SqlObject"}
        )
        config["migrations"].append({"tag": "tests", "new_sqlite_classes": ["SqlObject"]})
        self._server = start_in(layout, folder, config, options)
        try:
            self._server.wait_until_ready("/ready")
        except BaseException:
            self.close()
            raise

    def run(self, tests: Iterable[str]) -> Mapping[str, list[Result]]:
        """Run tests and return their results by function.

        Args:
            tests: Names such as "test_kv.py::test_put", relative to `inside/`.

        Returns:
            The results of each function, one for each set of its parameters; a file that
            cannot be imported has one result under its own name.
        """
        query = urllib.parse.urlencode({"tests": json.dumps(sorted(tests))})
        response = httpx.get(f"{self._server.url}/run?{query}", timeout=RUN_SECONDS)
        report: dict[str, Any] = response.raise_for_status().json()
        results = defaultdict(list)
        for entry in report["results"]:
            result = Result(**entry)
            results[result.function].append(result)
        return results

    @property
    def log(self) -> Path:
        """What wrangler printed."""
        return self._server.log

    @property
    def url(self) -> str:
        """The Worker's base address, without a trailing slash."""
        return self._server.url

    def kill(self) -> None:
        """End all its processes with `kill -9`."""
        self._server.kill_hard()
        self._state.cleanup()

    def close(self) -> None:
        """Stop the Worker."""
        self._server.stop()
        self._state.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
