"""The facilitator's time for each payment is read from its log."""

import json
from pathlib import Path

import pytest

from bench.requests import paid
from bench.requests.paid import FacilitatorLog


def written(file: Path, *calls: tuple[str, int, float]) -> None:
    lines = [
        json.dumps({"path": path, "status": status, "milliseconds": milliseconds})
        for path, status, milliseconds in calls
    ]
    with file.open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "facilitator.log"
    file.write_text("Listening on 127.0.0.1:1\n")
    written(file, ("/verify", 200, 99.0))
    return file


def test_a_payment_is_verify_plus_settle(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, ("/supported", 200, 50.0), ("/verify", 200, 1.5), ("/settle", 200, 20.0))
    assert log.payments(1) == [21.5]
    written(file, ("/verify", 200, 2.0), ("/settle", 200, 30.0))
    assert log.payments(1) == [32.0]


def test_a_failed_call_is_an_error(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, ("/verify", 200, 1.5), ("/settle", 500, 20.0))
    with pytest.raises(RuntimeError, match="not those of 1 payments"):
        log.payments(1)


def test_an_additional_call_is_an_error(file: Path) -> None:
    log = FacilitatorLog(file)
    written(file, *[("/verify", 200, 1.0)] * 3)
    with pytest.raises(RuntimeError, match="not those of 1 payments"):
        log.payments(1)


def test_a_missing_call_is_an_error_after_a_timeout(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paid, "WAITED_SECONDS", 0.01)
    log = FacilitatorLog(file)
    written(file, ("/verify", 200, 1.0))
    with pytest.raises(RuntimeError, match="1 times"):
        log.payments(1)
