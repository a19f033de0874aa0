"""If the facilitator fails, a payment ends in one state, and the chain agrees with it.

A payment with an unknown outcome gets status 503 and is not served. Cron resolves it later:
then the same payment is served if it was charged.
"""

import json
from pathlib import Path

import pytest

from dev.economy import Economy

from .caller import eventually
from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy, refused_address, running_fault_proxy, running_redirects
from .faults import (
    INVALID_RESPONSES,
    Fault,
    drop_connection,
    drop_connection_after_success,
    fail_after_success,
    json_body,
    slow,
    slow_response,
    status,
)
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    assert_pending,
    assert_served_once,
    is_served,
    open_paid_dispatcher,
    priced_directory,
)

WITHOUT_RESULT: dict[str, Fault] = {
    "dropped": drop_connection,
    "500": status(500),
    "503": status(503),
    **INVALID_RESPONSES,
}
"""Responses without a verify or settle result; nothing was settled."""

SETTLED_WITHOUT_RESPONSE: dict[str, Fault] = {
    "500 after settling": fail_after_success(500),
    "dropped after settling": drop_connection_after_success,
}
"""Failures to respond after settling."""


@pytest.mark.parametrize("fault", WITHOUT_RESULT)
def test_without_a_verify_result_nothing_is_claimed_and_the_payment_stays_valid(
    paid_dispatcher: PaidDispatcher, fault: str
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/verify", WITHOUT_RESULT[fault])
    response = paid_dispatcher.send(payment)
    assert (response.status_code, response.json()["error"]) == (503, "facilitator_unavailable")
    assert response.headers["retry-after"]
    assert "bread" not in response.text
    paid_dispatcher.records.check(wallet, [])
    assert is_served(paid_dispatcher.send(payment))
    paid_dispatcher.records.check(wallet, ["settled"])


def test_with_the_facilitator_down_nothing_is_claimed_and_the_payment_stays_valid(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    with paid_dispatcher.proxy.down():
        assert paid_dispatcher.send(payment).status_code == 503
        assert paid_dispatcher.send(None).status_code == 402
        assert paid_dispatcher.send(None, "given/").status_code == 200
    paid_dispatcher.records.check(wallet, [])
    assert is_served(paid_dispatcher.send(payment))


def test_a_payment_is_pending_if_the_facilitator_goes_down_before_settlement(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    path = "sold/?wait_ms=1500"
    payment = paid_dispatcher.signed(wallet, path)
    response = paid_dispatcher.begin(lambda: paid_dispatcher.send(payment, path))
    eventually(lambda: paid_dispatcher.records.states(wallet) == ["claimed"], "a claim")
    with paid_dispatcher.proxy.down():
        assert_pending(response.result())
    paid_dispatcher.resolve()
    assert_served_once(paid_dispatcher, payment, path)
    paid_dispatcher.records.check(wallet, ["settled"])


def test_a_verify_result_after_the_timeout_is_ignored(paid_dispatcher: PaidDispatcher) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/verify", slow_response(12))
    assert paid_dispatcher.send(payment).status_code == 503
    paid_dispatcher.records.check(wallet, [])


def test_a_slow_facilitator_is_awaited(paid_dispatcher: PaidDispatcher) -> None:
    wallet = paid_dispatcher.wallet()
    paid_dispatcher.proxy.then("/verify", slow(1))
    paid_dispatcher.proxy.then("/settle", slow_response(3))
    assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
    paid_dispatcher.records.check(wallet, ["settled"])


@pytest.mark.parametrize("fault", WITHOUT_RESULT)
def test_a_settlement_that_failed_is_pending_until_the_payer_comes_back(
    paid_dispatcher: PaidDispatcher, fault: str
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.always("/settle", WITHOUT_RESULT[fault])
    assert_pending(paid_dispatcher.send(payment))
    paid_dispatcher.records.check(wallet, ["pending"])
    paid_dispatcher.proxy.reset()
    assert_pending(paid_dispatcher.send(payment))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["pending"])
    assert_served_once(paid_dispatcher, payment)
    paid_dispatcher.records.check(wallet, ["settled"])


@pytest.mark.parametrize("fault", SETTLED_WITHOUT_RESPONSE)
def test_a_settlement_without_response_is_found_on_the_chain(
    paid_dispatcher: PaidDispatcher, fault: str
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/settle", SETTLED_WITHOUT_RESPONSE[fault])
    assert_pending(paid_dispatcher.send(payment))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment)
    paid_dispatcher.records.check(wallet, ["settled"])
    assert paid_dispatcher.economy.chain.balance(wallet.address) == 99 * PRICE


def test_a_settlement_after_the_timeout_is_found_on_the_chain(
    paid_dispatcher: PaidDispatcher,
) -> None:
    wallet = paid_dispatcher.wallet()
    payment = paid_dispatcher.signed(wallet)
    paid_dispatcher.proxy.then("/settle", slow_response(22))
    assert_pending(paid_dispatcher.send(payment))
    paid_dispatcher.resolve()
    paid_dispatcher.records.check(wallet, ["settled"])
    assert_served_once(paid_dispatcher, payment)


def test_the_next_facilitator_is_used_if_the_first_is_down(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path
) -> None:
    facilitators = [
        {"url": refused_address(), "auth": {"bearer": "OTHER_KEY"}},
        {"url": f"{fault_proxy.url}/", "auth": {"bearer": "FACILITATOR_API_KEY"}},
    ]
    settings = {
        **economy.settings(),
        "FACILITATORS": json.dumps(facilitators),
        "FACILITATOR_API_KEY": "a key",
        "OTHER_KEY": "another key",
    }
    with (
        start(tmp_path, priced_directory(), settings) as server,
        open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
    ):
        wallet = paid_dispatcher.wallet()
        assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
        paid_dispatcher.records.check(wallet, ["settled"])
    assert (fault_proxy.count("/verify"), fault_proxy.count("/settle")) == (1, 1)
    assert {call.headers["authorization"] for call in fault_proxy.calls} == {"Bearer a key"}


@pytest.mark.parametrize("answer", ["unexpected_verify_error", "invalid_network", None])
def test_the_next_facilitator_is_asked_if_the_first_refuses_for_itself_and_then_left_out(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path, answer: str | None
) -> None:
    with running_fault_proxy(economy.facilitator_url) as other:
        other.always("/verify", json_body({"isValid": False, "invalidReason": answer}))
        urls = f"{other.url}, {fault_proxy.url}"
        settings = {**economy.settings(), "FACILITATOR_URL": urls}
        with (
            start(tmp_path, priced_directory(), settings) as server,
            open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
        ):
            wallet = paid_dispatcher.wallet()
            assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
            # One that fails is asked after the others for a while.
            other.always("/verify", status(503))
            before = other.count("/verify")
            for _ in range(3):
                assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
            assert other.count("/verify") <= before + 1
            assert other.count("/settle") == 0
            health = paid_dispatcher.caller.platform("health")["payments"]["facilitators"]
            assert [one["circuit"]["state"] for one in health] == ["open", "closed"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_facilitator_that_redirects_is_followed(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path, code: int
) -> None:
    with running_redirects(fault_proxy.url, code) as (url, seen):
        settings = {
            **economy.settings(),
            "FACILITATOR_URL": url,
            "FACILITATOR_API_KEY": "a key",
        }
        with (
            start(tmp_path, priced_directory(), settings) as server,
            open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
        ):
            wallet = paid_dispatcher.wallet()
            assert is_served(paid_dispatcher.send(paid_dispatcher.signed(wallet)))
            paid_dispatcher.records.check(wallet, ["settled"])
    assert set(seen) == {"Bearer a key"}
    assert [call for call in fault_proxy.calls if "authorization" in call.headers] == []
