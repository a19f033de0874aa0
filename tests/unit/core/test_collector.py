"""The collector runs again after a pause, also a nested one."""

from __future__ import annotations

import gc

import pytest

from core.collector import collector_paused


def test_the_collector_is_paused_inside_only() -> None:
    with collector_paused():
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_runs_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="damaged"), collector_paused():
        raise ValueError("damaged")
    assert gc.isenabled()
