"""The simulation detects every mutation: code that is broken on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

import usage
from tests.simulation.mutating import Mutation, MutationOutdated, fails, first_catch, mutated
from tests.simulation.mutations import MUTATIONS, seeds_to_try


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_is_detected(mutation: Mutation) -> None:
    if mutation.test:
        assert fails(mutation)
    else:
        assert first_catch(mutation, seeds_to_try(mutation)) is not None


def test_a_mutation_is_undone() -> None:
    before = usage.UsageRecorder._next_batch
    with mutated(MUTATIONS[0]):
        assert usage.UsageRecorder._next_batch is not before
    assert usage.UsageRecorder._next_batch is before


def test_a_mutation_of_missing_text_raises() -> None:
    outdated = replace(MUTATIONS[0], old="no such text")
    with pytest.raises(MutationOutdated, match="0 times"), mutated(outdated):
        pass


def test_the_names_of_mutations_are_unique() -> None:
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
