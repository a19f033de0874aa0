"""A guard: an attack, and the code without which the attack succeeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.mutating import Mutation, mutated


@dataclass(frozen=True, slots=True)
class Guard:
    """`attack` returns whether it succeeded; it must if `new` replaces `old` in `function`."""

    attack: Callable[[], bool]
    module: str
    function: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """The attack, in words."""
        return self.attack.__name__.replace("_", " ")

    def holds(self) -> bool:
        """Return whether the attack fails."""
        return not self.attack()

    def is_needed(self) -> bool:
        """Return whether the attack succeeds without the guard."""
        with mutated(Mutation(self.name, self.module, self.function, self.old, self.new)):
            return self.attack()
