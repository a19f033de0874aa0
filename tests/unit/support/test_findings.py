"""Results that tests record are stored completely and shown briefly."""

import json
from pathlib import Path

from tests.support.findings import lines, write

ROWS = {
    "payment": [
        ("fetch", "v2", "GET", "cut", "503"),
        ("fetch", "v1", "GET", "cut", "503"),
        ("fetch", "v2", "GET", "nothing", "200"),
        ("httpx", "v2", "GET", "nothing", "402"),
    ]
}


def test_routes_with_the_same_outcome_share_a_line() -> None:
    assert list(lines(ROWS)) == [
        "fault    clients       outcome",
        "cut      all 2         503",
        "nothing  fetch v2 GET  200",
        "nothing  httpx v2 GET  402",
        "",
    ]


def test_every_row_is_stored(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "folder" / "findings.json")
    kept = json.loads((tmp_path / "folder" / "findings.json").read_text())
    assert len(kept["payment"]) == 4
    assert kept["payment"][0] == {
        "client": "fetch",
        "version": "v2",
        "method": "GET",
        "fault": "cut",
        "outcome": "503",
    }
