"""The simulation catches what it is there to catch: the code broken on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

import usage
from tests.simulation.mutating import Mutation, MutationOutdated, first_catch, mutated
from tests.simulation.mutations import MUTATIONS, seeds_to_try


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_is_caught(mutation: Mutation) -> None:
    assert first_catch(mutation, seeds_to_try(mutation)) is not None


def test_a_mutation_is_undone() -> None:
    before = usage.UsageRecorder._write
    with mutated(MUTATIONS[0]):
        assert usage.UsageRecorder._write is not before
    assert usage.UsageRecorder._write is before


def test_a_mutation_of_text_that_is_not_there_fails_loudly() -> None:
    outdated = replace(MUTATIONS[0], old="no such text")
    with pytest.raises(MutationOutdated, match="0 times"), mutated(outdated):
        pass


def test_no_mutation_is_there_twice() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
