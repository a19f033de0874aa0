"""Secrets of callers and operators are in no log, response or store."""

import base64
import json

from .attacked_dispatcher import (
    BOOKS,
    FACILITATOR_KEY,
    HASH_SECRET,
    MONITOR,
    OPERATOR,
    AttackedDispatcher,
)

ADDRESS = "203.0.113.177"
SENT = {
    "authorization": "Bearer marked-authorization-1f",
    "cookie": "theme=dark; session=marked-cookie-2f",
    "payment-signature": "marked-payment-3f",
    "x-api-key": "marked-key-4f",
    "x-agent-id": "marked-agent-5f",
    "x-forwarded-for": "203.0.113.178",
    "cf-connecting-ip": ADDRESS,
}
QUERY = "key=marked-query-6f&window=marked-window-7f&cursor=marked-cursor-8f"
BODY = b"marked-body-9f"
MARKS = ("marked-", ADDRESS, "203.0.113.178")
OURS = (OPERATOR, MONITOR, BOOKS, FACILITATOR_KEY, HASH_SECRET)

TARGETS = [
    "/t/mirror/x",
    "/t/crafted/throw",
    "/t/unknown/x",
    "/t/sold/x",
    "/nothing",
    "/health",
    "/__platform/analytics",
    "/__platform/events",
    "/__platform/no-such-route",
]


def test_secrets_sent_in_every_way_are_found_nowhere(
    attacked: AttackedDispatcher,
) -> None:
    caller = attacked.caller
    well_formed = {"x402Version": 2, "payload": {"signature": "marked-signature-af"}}
    payments = ["marked-payment-3f", base64.b64encode(json.dumps(well_formed).encode()).decode()]
    for target in TARGETS:
        for payment in payments:
            headers = {**SENT, "payment-signature": payment}
            caller.request(f"{target}?{QUERY}", method="POST", headers=headers, content=BODY)
    response = caller.request("/t/tattletale/x?key=marked-query-6f", headers=SENT)
    assert (response.status_code, "marked" in response.text) == (502, False)
    caller.request(f"/__platform/analytics?token={OPERATOR}")
    platform = {"x-platform-token": OPERATOR}
    for route in ("analytics", "events", "compact"):
        method = "POST" if route == "compact" else "GET"
        caller.request(f"/__platform/{route}?{QUERY}", method=method, headers=platform)
    caller.wait_until_logged()

    shown = [caller.platform(route) for route in ("analytics", "settlements", "health")]
    places = {
        "platform's responses": json.dumps([*shown, caller.events()]),
        "log": attacked.log(),
        "store": attacked.stored().decode("latin-1"),
    }
    # The places do have data, so the search below is meaningful.
    assert "ten_mirror" in places["platform's responses"]
    assert "ten_mirror" in places["store"]
    assert "cannot serve" in places["log"]
    found = {
        (place, mark) for place, text in places.items() for mark in (*MARKS, *OURS) if mark in text
    }
    assert found == set()
