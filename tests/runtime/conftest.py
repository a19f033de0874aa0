"""Collects each test of `inside/` as an item, and runs them all in one Worker."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.runtime.harness import INSIDE, InsideWorker, Result

RESULTS = pytest.StashKey[Mapping[str, list[Result]]]()


class InsideFailure(Exception):
    """A test inside workerd failed; the text is its report."""


class InsideModule(pytest.File):
    """A file of tests that only Python inside workerd can import."""

    def collect(self) -> Iterator["InsideItem"]:
        """Yield an item for each function whose name starts with `test_`."""
        tree = ast.parse(self.path.read_bytes(), filename=str(self.path))
        for name in names_of_tests(tree):
            yield InsideItem.from_parent(self, name=name)


class InsideItem(pytest.Item):
    """One test function inside workerd, with all its parameters."""

    def __init__(self, **arguments: object) -> None:
        """Group these items, so that one process of a parallel run starts one Worker for all."""
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.add_marker(pytest.mark.xdist_group("inside"))

    @property
    def inside_name(self) -> str:
        """The id of the test in the pytest inside workerd."""
        return f"{self.path.name}::{self.name}"

    def runtest(self) -> None:
        """Run all selected tests with the first item; report the result of this one."""
        results = _results(self.session)
        own = results.get(self.inside_name) or results.get(self.path.name)
        if not own:
            raise InsideFailure(f"pytest inside workerd did not run {self.inside_name}.")
        failures = [result for result in own if result.outcome == "failed"]
        if failures:
            raise InsideFailure("\n\n".join(_failure_text(result) for result in failures))
        if all(result.outcome == "skipped" for result in own):
            reason = own[0].expected_failure
            if reason is not None:
                pytest.xfail(reason)
            pytest.skip(own[0].text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """Return the report from inside, or that of a failure on the host."""
        if isinstance(excinfo.value, InsideFailure):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the test's location for reports."""
        return self.path, None, self.inside_name


def names_of_tests(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module's tests; methods are "TestClass::test_method"."""
    yield from _test_functions(tree.body)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from (f"{node.name}::{name}" for name in _test_functions(node.body))


def _test_functions(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("test_"):
                    yield name


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> InsideModule | None:
    """Prevent the host from importing the files of `inside/`."""
    if module_path.parent == INSIDE:
        return InsideModule.from_parent(parent, path=module_path)
    return None


def _results(session: pytest.Session) -> Mapping[str, list[Result]]:
    if RESULTS not in session.stash:
        chosen = {item.inside_name for item in session.items if isinstance(item, InsideItem)}
        with InsideWorker() as worker:
            session.stash[RESULTS] = worker.run(chosen)
    return session.stash[RESULTS]


def _failure_text(result: Result) -> str:
    printed = f"\n--- printed ---\n{result.output}" if result.output else ""
    return f"{result.nodeid}\n{result.text}{printed}"
