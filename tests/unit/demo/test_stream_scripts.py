"""The demo scripts that stream."""

import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect


class TestPulse:
    def test_streams_the_requested_ticks_and_a_last_event(self, api: httpx.Client) -> None:
        with api.stream("GET", "/pulse/ticks?symbol=acme&count=3&interval_ms=5") as response:
            assert response.headers["content-type"] == "text/event-stream"
            events = list(_events(response.iter_lines()))
        assert [event["event"] for event in events] == ["tick", "tick", "tick", "done"]
        assert [json.loads(event["data"])["tick"] for event in events[:3]] == [0, 1, 2]

    def test_continues_after_the_last_received_event(self, api: httpx.Client) -> None:
        path = "/pulse/ticks?count=2&interval_ms=0"
        with api.stream("GET", path, headers={"last-event-id": "41"}) as response:
            assert [event.get("id") for event in _events(response.iter_lines())] == [
                "42",
                "43",
                None,
            ]

    def test_the_stream_and_the_single_price_agree(self, api: httpx.Client) -> None:
        with api.stream("GET", "/pulse/ticks?symbol=ACME&count=5&interval_ms=0") as response:
            last = json.loads(list(_events(response.iter_lines()))[4 - 1]["data"])
        assert api.get(f"/pulse/price?symbol=ACME&tick={last['tick']}").json() == last


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """Parse a stream of server-sent events."""
    event: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        else:
            yield event
            event = {}


class TestDigest:
    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "sha512"])
    def test_returns_digest_and_size(self, api: httpx.Client, algorithm: str) -> None:
        body = b"pay to the order of" * 1000
        response = api.put(f"/digest/{algorithm}", content=body).json()
        assert response["digest"] == hashlib.new(algorithm, body).hexdigest()
        assert response["bytes"] == len(body)

    def test_takes_an_upload_of_unknown_length(self, api: httpx.Client) -> None:
        chunk = bytes(range(256)) * 256
        response = api.post("/digest/sha256", content=(chunk for _ in range(160))).json()
        assert response["bytes"] == 160 * len(chunk)
        assert response["digest"] == hashlib.sha256(chunk * 160).hexdigest()

    def test_an_empty_upload_has_a_digest_too(self, api: httpx.Client) -> None:
        response = api.post("/digest/sha256").json()
        assert (response["bytes"], response["digest"]) == (0, hashlib.sha256().hexdigest())

    def test_compares_with_an_expected_digest(self, api: httpx.Client) -> None:
        right = hashlib.sha256(b"x").hexdigest()
        path = "/digest/sha256?expect="
        assert api.post(path + right.upper(), content=b"x").json()["matches"] is True
        assert api.post(path + right, content=b"y").status_code == 422
        assert api.post(path + "beef", content=b"x").status_code == 400

    def test_accepts_only_uploads(self, api: httpx.Client) -> None:
        assert api.get("/digest/sha256").headers["allow"] == "POST, PUT"


class TestParley:
    def test_echoes_every_message(self, demo_url: str) -> None:
        with connect(demo_url.replace("http", "ws") + "/parley/socket") as socket:
            messages: list[str | bytes] = ["héllo", b"\x00\xff", "", "x" * 100_000]
            for message in messages:
                socket.send(message)
                assert socket.recv(timeout=10) == message

    def test_closes_after_the_requested_number_of_messages(self, demo_url: str) -> None:
        with connect(demo_url.replace("http", "ws") + "/parley/socket?limit=1") as socket:
            socket.send("only")
            assert socket.recv(timeout=10) == "only"
            with pytest.raises(ConnectionClosedOK):
                socket.recv(timeout=10)

    @pytest.mark.parametrize("limit", ["0", "1.5", "1001", "many"])
    def test_a_limit_out_of_range_is_rejected(self, api: httpx.Client, limit: str) -> None:
        headers = {"upgrade": "websocket"}
        response = api.get(f"/parley/socket?limit={limit}", headers=headers)
        assert (response.status_code, response.json()["parameter"]) == (400, "limit")


class TestPatience:
    def test_waits_the_requested_time(self, api: httpx.Client) -> None:
        response = api.get("/patience/wait?delay_ms=300")
        assert response.json() == {"waited_ms": 300}
        assert response.elapsed.total_seconds() >= 0.3

    def test_sends_line_by_line(self, api: httpx.Client) -> None:
        response = api.get("/patience/drip?lines=3&pause_ms=1")
        assert response.text == "line 1 of 3\nline 2 of 3\nline 3 of 3\n"
