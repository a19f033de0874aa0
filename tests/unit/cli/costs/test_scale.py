"""The numbers of docs/scale.md are those that the code computes."""

import pytest

from cli.costs.scale import (
    LOCATIONS,
    PAGE,
    QUOTA,
    TABLES,
    admitted,
    compared_tokens,
    lost_events,
    page,
)
from core import constants

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert page(TEXT) == TEXT, "run python -m cli.costs.scale"


def test_a_number_that_was_changed_by_hand_is_detected() -> None:
    changed = TEXT.replace("| 960 |", "| 961 |")
    assert changed != TEXT
    assert page(changed) == TEXT


def test_the_page_has_every_table_for_1_30_and_300_locations() -> None:
    assert LOCATIONS == (1, 30, 300)
    assert [TEXT.count(f"<!-- numbers: {name} -->") for name in TABLES] == [1] * len(TABLES)
    assert TEXT.count("| | 1 location | 30 locations | 300 locations |") == len(TABLES)


@pytest.mark.parametrize("locations", LOCATIONS)
def test_tokens_are_throttled_in_each_isolate_and_quotas_counted_once(locations: int) -> None:
    assert compared_tokens(locations) == locations * constants.AUTH_FAILURES_MAX
    assert admitted(locations) == QUOTA


def test_the_text_has_the_constants_of_the_code() -> None:
    minutes = constants.SUPPORTED_CACHE_SECONDS // 60
    circuit = constants.CIRCUIT_OPEN_MS_MIN // 1_000, constants.CIRCUIT_OPEN_MS_MAX // 60_000
    waiting_ms = constants.SEND_DELAY_MS + constants.COMMIT_DELAY_MS
    for stated in (
        f"at least {constants.TOKEN_LENGTH_MIN} characters",
        f"records of the directory for {constants.DIRECTORY_CACHE_SECONDS} s",
        f"supports for {minutes} minutes",
        f"the public page for {constants.EXPLORE_FRESH_SECONDS} s",
        f"for {circuit[0]} s at first and at most {circuit[1]} minutes",
        f"at most {constants.BUFFERED_EVENTS_MAX:,} events",
        f"about {waiting_ms} ms",
    ):
        assert stated in TEXT
    assert lost_events() == 20 * waiting_ms / 1_000
