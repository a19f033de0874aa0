"""A payment waits for as few calls as its guarantees allow, and writes few rows."""

from bench.paid import round_trips
from dev.economy import Economy

ROWS_WRITTEN_MAX = 12


def test_a_paid_request_waits_for_four_calls(economy: Economy) -> None:
    found = round_trips.count(economy)
    assert found.before == [
        "fetch /verify",
        "CONTROL_DB.batch",
        "fetch /settle",
        "CONTROL_DB.batch",
    ]
    assert found.sequential == 4
    assert found.rows_written <= ROWS_WRITTEN_MAX
