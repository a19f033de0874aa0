"""Payments through a facilitator that checks a token of Coinbase's scheme in each request."""

import json
from pathlib import Path

from dev.economy import Economy
from tests.support.coinbase import (
    KEY_ID,
    CoinbaseFacilitator,
    new_key,
    passing_on,
    running_coinbase,
)

from .conftest import TOKEN, Starter
from .fault_proxy import FaultProxy
from .paid_dispatcher import (
    PRICE,
    PaidDispatcher,
    is_served,
    open_paid_dispatcher,
    priced_directory,
)

VERIFY, SETTLE = ("POST", "/platform/v2/x402/verify"), ("POST", "/platform/v2/x402/settle")


def pay(paid_dispatcher: PaidDispatcher) -> None:
    """Buy something, which must be served and settled."""
    wallet = paid_dispatcher.wallet()
    response = paid_dispatcher.send(paid_dispatcher.signed(wallet))
    assert is_served(response), response.text
    paid_dispatcher.records.check(wallet, ["settled"])
    assert paid_dispatcher.economy.chain.balance(wallet.address) == 99 * PRICE


def accepted(facilitator: CoinbaseFacilitator) -> list[tuple[str, str]]:
    """Return the requests whose token was accepted."""
    return [(method, path) for method, path, why in facilitator.results if not why]


def test_each_request_has_its_token_for_both_kinds_of_keys_and_another_clock(
    start: Starter, economy: Economy, fault_proxy: FaultProxy, tmp_path: Path
) -> None:
    edwards, curve = new_key("Ed25519"), new_key("P-256, SEC 1")
    respond = passing_on(economy.facilitator_url)
    with (
        running_coinbase(edwards, respond) as first,
        running_coinbase(curve, respond) as second,
    ):
        facilitators = [
            {"url": one.url, "auth": {"coinbase": {"keyId": "CDP_ID", "keySecret": name}}}
            for one, name in ((first, "EDWARDS"), (second, "CURVE"))
        ]
        settings = {
            **economy.settings(),
            "FACILITATORS": json.dumps(facilitators),
            "CDP_ID": KEY_ID,
            "EDWARDS": edwards.secret,
            "CURVE": curve.secret,
        }
        with (
            start(tmp_path, priced_directory(), settings) as server,
            open_paid_dispatcher(server, economy, fault_proxy, tmp_path, TOKEN) as paid_dispatcher,
        ):
            pay(paid_dispatcher)
            assert first.results == [(*VERIFY, ""), (*SETTLE, "")]
            assert len(set(first.nonces)) == 2

            first.ahead_seconds, second.ahead_seconds = 600, -600
            pay(paid_dispatcher)
            assert len(first.results) == 5, "only the first token of another time is rejected"
            assert accepted(first)[2:] == [VERIFY, SETTLE]

            first.respond = lambda _path, _body: (503, b"")
            pay(paid_dispatcher)
            assert accepted(second) == [VERIFY, SETTLE]

            health = paid_dispatcher.caller.platform("health")
            answers = [one["answers"] for one in health["payments"]["facilitators"]]
            assert answers == [False, True]
            assert accepted(second)[2:] == [("GET", "/platform/v2/x402/supported")]
        log = server.log.read_text(errors="replace")
    assert edwards.secret not in log
    assert curve.secret.splitlines()[1] not in log
