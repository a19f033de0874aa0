"""Breaks the real code on purpose, during a `with` block.

A mutation replaces a piece of one function's source text. It raises an error unless the text
occurs exactly once, so that no mutation silently does nothing after the code has changed.
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.simulation.kinds import KINDS, Outcome


class MutationOutdated(Exception):
    """The text that a mutation replaces does not occur exactly once."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replaces `old` by `new` in a function (`CLASS.NAME` for a method) of a module."""

    name: str
    module: str
    function: str
    old: str
    new: str
    kind: str = "metering"
    """The kind of runs that must detect it."""
    test: str = ""
    """`MODULE:FUNCTION` of the unit test that detects it, if no run does."""

    def changed(self) -> Any:
        """Compile the broken function."""
        module = importlib.import_module(self.module)
        owner, name = self.place()
        found = getattr(owner, name)
        function: Any = found.fget if isinstance(found, property) else found
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(self.old) != 1:
            raise MutationOutdated(
                f"{self.name}: {self.module}.{self.function} has {source.count(self.old)}"
                f" times {self.old!r}, expected once"
            )
        flags = __future__.annotations.compiler_flag
        code = compile(source.replace(self.old, self.new), f"<{self.name}>", "exec", flags)
        made: dict[str, Any] = {}
        exec(code, module.__dict__, made)  # noqa: S102 (our own code)
        return made[name]

    def place(self) -> tuple[Any, str]:
        """Return the module or class that has the function, and its name there."""
        owner: Any = importlib.import_module(self.module)
        *path, name = self.function.split(".")
        for part in path:
            owner = getattr(owner, part)
        return owner, name


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """Break the function in every module that imports it, and restore it afterwards."""
    owner, name = mutation.place()
    original, broken = getattr(owner, name), mutation.changed()
    places: list[tuple[Any, str]] = [(owner, name)]
    if inspect.ismodule(owner):
        places = [
            (module, key)
            for module in tuple(sys.modules.values())
            for key, value in _globals(module).items()
            if value is original
        ]
    for place, key in places:
        setattr(place, key, broken)
    try:
        yield
    finally:
        for place, key in places:
            setattr(place, key, original)


def fails(mutation: Mutation) -> str:
    """Run the unit test of a mutation; return how it fails, which is empty if it passes."""
    module, _, name = mutation.test.partition(":")
    test = getattr(importlib.import_module(module), name)
    with mutated(mutation):
        try:
            test()
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 (it may raise anything)
            return f"{type(error).__name__}: {error}"
    return ""


def first_catch(mutation: Mutation, seeds: Iterable[int]) -> tuple[int, Outcome] | None:
    """Run seeds until one detects the mutation; return their number and the outcome.

    A seed detects a mutation if it fails with it and passes without it.
    """
    run = KINDS[mutation.kind].run
    for count, seed in enumerate(seeds, start=1):
        with mutated(mutation):
            outcome = run(seed)
        if outcome.failure is not None and run(seed).failure is None:
            return count, outcome
    return None


def _globals(module: object) -> Mapping[str, object]:
    return dict(getattr(module, "__dict__", {}))
