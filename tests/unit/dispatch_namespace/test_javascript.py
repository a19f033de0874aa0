"""The JavaScript tests of the package in `dev/dispatch-namespace` pass; each file is one test."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from dev.launch.config import LOCAL_BUNDLE_FLAGS
from dev.launch.start import bundle_environment, plugin_folder
from dev.layout import HERE
from dev.setup.node import find_node

PACKAGE = plugin_folder(HERE)
FILES = sorted((PACKAGE / "test").glob("*.test.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_test_of_the_file_passes(file: Path) -> None:
    node = find_node(HERE)
    # The tests run programs of node_modules by name, as they do under `npm test`.
    path = f"{node.parent}{os.pathsep}{HERE.node_modules / '.bin'}{os.pathsep}{os.environ['PATH']}"
    completed = subprocess.run(
        [node, "--test", "--test-reporter=spec", "--test-timeout=120000", file],
        cwd=PACKAGE,
        env={
            **os.environ,
            **bundle_environment(HERE),
            "PATH": path,
            # The Python scripts in these tests need both.
            "PYTHON_FLAGS": " ".join(LOCAL_BUNDLE_FLAGS),
            "PYTHON_MODULES": str(HERE.python_modules),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert re.search(r"pass [1-9]", completed.stdout), "the file has no test"
