"""One guard: the attack that it stops, and the way to take it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.mutating import Mutation, mutated


@dataclass(frozen=True, slots=True)
class Guard:
    """`attack` tells whether it got what it wanted; without the guard it must."""

    attack: Callable[[], bool]
    module: str
    function: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """What the guard is for, in words."""
        return self.attack.__name__.replace("_", " ")

    def holds(self) -> bool:
        """Attack the code as it is."""
        return not self.attack()

    def is_needed(self) -> bool:
        """Attack the code without the guard."""
        with mutated(Mutation(self.name, self.module, self.function, self.old, self.new)):
            return self.attack()
