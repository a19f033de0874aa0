"""`python -m dev.test [PYTEST ARGUMENTS]`: the whole suite, Python's and JavaScript's.

The JavaScript part comes first, then the tests marked `alone`, whose load must not share
the machine, then all others in parallel; so the run ends with pytest's closing line for
most of them. Arguments select tests for pytest and leave the first two parts out.
"""

import os
import subprocess
import sys

from dev.errors import run_command_line
from dev.launch.config import LOCAL_BUNDLE_FLAGS
from dev.launch.start import bundle_environment, plugin_folder
from dev.layout import HERE, Layout
from dev.newest import run_on_newest
from dev.setup.node import find_node

PROCESSES = 3
"""One more than the smallest machine we test on has cores: many tests wait for time to pass."""

NEWEST = "newest"
"""`RUNTIME` for npm's newest wrangler, workerd and Pyodide, in place of the pinned ones."""

PARALLEL = (f"--numprocesses={PROCESSES}", "--dist=loadgroup")
"""Tests of one group share a server, so they stay in one process."""


def main() -> int:
    """Run the tests; the exit code is that of the first runner that failed."""
    chosen = sys.argv[1:]
    if os.environ.get("RUNTIME") == NEWEST:
        return run_on_newest(PARALLEL, chosen)
    if chosen:
        return python_tests(HERE, *PARALLEL, *chosen)
    codes = (
        javascript_tests(HERE),
        python_tests(HERE, "-m", "alone"),
        python_tests(HERE, "-m", "not alone", *PARALLEL),
    )
    return max(codes, key=abs)


def python_tests(layout: Layout, *arguments: str) -> int:
    """Run pytest with these arguments; return its exit code."""
    command = [str(layout.python), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=layout.root, check=False).returncode


def javascript_tests(layout: Layout) -> int:
    """Run the tests of the package in `dev/dispatch-namespace`; return their exit code."""
    node = find_node(layout)
    # Its tests run programs of node_modules by name, as under `npm test`.
    path = (
        f"{node.parent}{os.pathsep}{layout.node_modules / '.bin'}{os.pathsep}{os.environ['PATH']}"
    )
    package = plugin_folder(layout)
    tests = sorted(str(test) for test in (package / "test").glob("*.test.js"))
    return subprocess.run(
        [node, "--test", "--test-timeout=120000", *tests],
        cwd=package,
        env={
            **os.environ,
            **bundle_environment(layout),
            "PATH": path,
            # What Python scripts of the tests are given.
            "PYTHON_FLAGS": " ".join(LOCAL_BUNDLE_FLAGS),
            "PYTHON_MODULES": str(layout.python_modules),
        },
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(run_command_line(main))
