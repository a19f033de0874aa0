"""The fault proxy passes calls on and fails on demand."""

import time

import httpx
import pytest

from .facilitator_client import FacilitatorClient
from .fault_proxy import FaultProxy, refused_address
from .faults import (
    INVALID_RESPONSES,
    Fault,
    drop_connection,
    drop_connection_after_success,
    fail_after_success,
    slow,
    slow_response,
    status,
)


def test_the_proxy_passes_on_and_records(
    facilitator: FacilitatorClient, fault_proxy: FaultProxy
) -> None:
    supported = httpx.get(f"{fault_proxy.url}/supported").json()
    assert {"x402Version": 2, "scheme": "exact", "network": "eip155:84532"} in supported["kinds"]
    call = facilitator.signed(facilitator.economy.buyer)
    headers = {"authorization": "Bearer key"}
    response = httpx.post(f"{fault_proxy.url}/settle", json=call, headers=headers)
    assert response.json()["success"] is True
    assert [recorded.path for recorded in fault_proxy.calls] == ["/supported", "/settle"]
    (settled,) = fault_proxy.calls_to("/settle")
    assert settled.json() == call
    assert settled.headers["authorization"] == "Bearer key"
    assert settled.upstream_seconds > 0


def test_queued_faults_handle_one_call_each_in_order(fault_proxy: FaultProxy) -> None:
    fault_proxy.always("/verify", status(503))
    fault_proxy.then("/verify", status(500), *INVALID_RESPONSES.values())
    responses = [
        httpx.post(f"{fault_proxy.url}/verify", content=b"{}")
        for _ in range(len(INVALID_RESPONSES) + 2)
    ]
    codes = [response.status_code for response in responses]
    assert codes == [500, *([200] * (len(INVALID_RESPONSES) - 1)), 302, 503]
    assert all(call.upstream is None for call in fault_proxy.calls)


def test_a_connection_is_dropped_before_or_after_settling(
    facilitator: FacilitatorClient, fault_proxy: FaultProxy
) -> None:
    call = facilitator.signed(facilitator.economy.buyer)
    fault_proxy.then("/settle", drop_connection, drop_connection_after_success)
    for is_used in (False, True):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            httpx.post(f"{fault_proxy.url}/settle", json=call)
        assert facilitator.is_settled(call) is is_used


def test_a_failure_after_success_has_settled(
    facilitator: FacilitatorClient, fault_proxy: FaultProxy
) -> None:
    call = facilitator.signed(facilitator.economy.buyer)
    fault_proxy.then("/settle", fail_after_success(500))
    assert httpx.post(f"{fault_proxy.url}/settle", json=call).status_code == 500
    assert facilitator.is_settled(call)


@pytest.mark.parametrize("fault", [slow(0.5), slow_response(0.5)])
def test_a_slow_fault_delays_the_response(fault_proxy: FaultProxy, fault: Fault) -> None:
    fault_proxy.then("/supported", fault)
    started = time.monotonic()
    assert httpx.get(f"{fault_proxy.url}/supported").status_code == 200
    assert time.monotonic() - started >= 0.5


def test_a_proxy_that_is_down_refuses_connections_and_recovers(fault_proxy: FaultProxy) -> None:
    with httpx.Client(base_url=fault_proxy.url) as client:
        assert client.get("/supported").status_code == 200
        with fault_proxy.down(), pytest.raises(httpx.TransportError):
            client.get("/supported")
        with fault_proxy.down(), pytest.raises(httpx.ConnectError):
            httpx.get(f"{fault_proxy.url}/supported")
        assert client.get("/supported").status_code == 200


def test_the_refused_address_refuses_connections() -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(refused_address())
