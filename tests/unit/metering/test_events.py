"""An API is blamed for its own failures alone."""

from __future__ import annotations

import pytest

from metering.events import is_error


@pytest.mark.parametrize(
    ("status", "is_fault"),
    [(200, False), (304, False), (404, False), (408, True), (429, True), (499, False), (500, True)],
)
def test_a_status_is_an_error_of_the_api_or_of_its_caller(status: int, is_fault: bool) -> None:
    assert is_error(status, "served") is is_fault


def test_an_api_whose_script_is_missing_is_down() -> None:
    assert is_error(404, "worker_not_found")
