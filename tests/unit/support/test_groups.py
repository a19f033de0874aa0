"""Tests of a group run in one process, so they share a dispatcher."""

import pytest


@pytest.mark.xdist_group("groups")
def test_the_group_of_a_test_is_respected(request: pytest.FixtureRequest, worker_id: str) -> None:
    # pytest-xdist appends the group to the id; with pytest 9.2 it did not, and nothing failed.
    assert worker_id == "master" or request.node.nodeid.endswith("@groups")
