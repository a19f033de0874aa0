"""What the demo scripts that stream promise their callers."""

import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect


class TestPulse:
    def test_streams_the_ticks_asked_for_and_says_when_it_is_done(self, api: httpx.Client) -> None:
        with api.stream("GET", "/pulse/ticks?symbol=acme&count=3&interval_ms=5") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            events = list(_events(answer.iter_lines()))
        assert [event["event"] for event in events] == ["tick", "tick", "tick", "done"]
        assert [json.loads(event["data"])["tick"] for event in events[:3]] == [0, 1, 2]

    def test_goes_on_after_the_last_event_that_was_seen(self, api: httpx.Client) -> None:
        path = "/pulse/ticks?count=2&interval_ms=0"
        with api.stream("GET", path, headers={"last-event-id": "41"}) as answer:
            assert [event.get("id") for event in _events(answer.iter_lines())] == ["42", "43", None]

    def test_the_stream_and_the_single_price_agree(self, api: httpx.Client) -> None:
        with api.stream("GET", "/pulse/ticks?symbol=ACME&count=5&interval_ms=0") as answer:
            last = json.loads(list(_events(answer.iter_lines()))[4 - 1]["data"])
        assert api.get(f"/pulse/price?symbol=ACME&tick={last['tick']}").json() == last


def _events(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """The events of a server-sent stream as dicts of their fields."""
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
    def test_answers_digest_and_size(self, api: httpx.Client, algorithm: str) -> None:
        body = b"pay to the order of" * 1000
        answer = api.put(f"/digest/{algorithm}", content=body).json()
        assert answer["digest"] == hashlib.new(algorithm, body).hexdigest()
        assert answer["bytes"] == len(body)

    def test_takes_an_upload_of_unknown_length(self, api: httpx.Client) -> None:
        chunk = bytes(range(256)) * 256
        answer = api.post("/digest/sha256", content=(chunk for _ in range(160))).json()
        assert answer["bytes"] == 160 * len(chunk)
        assert answer["digest"] == hashlib.sha256(chunk * 160).hexdigest()

    def test_an_empty_upload_has_a_digest_too(self, api: httpx.Client) -> None:
        answer = api.post("/digest/sha256").json()
        assert (answer["bytes"], answer["digest"]) == (0, hashlib.sha256().hexdigest())

    def test_says_when_a_digest_is_not_the_one_expected(self, api: httpx.Client) -> None:
        right = hashlib.sha256(b"x").hexdigest()
        path = "/digest/sha256?expect="
        assert api.post(path + right.upper(), content=b"x").json()["matches"] is True
        assert api.post(path + right, content=b"y").status_code == 422
        assert api.post(path + "beef", content=b"x").status_code == 400

    def test_is_only_sent_to(self, api: httpx.Client) -> None:
        assert api.get("/digest/sha256").headers["allow"] == "POST, PUT"


class TestParley:
    def test_answers_every_message_with_the_same(self, demo_url: str) -> None:
        with connect(demo_url.replace("http", "ws") + "/parley/socket") as socket:
            messages: list[str | bytes] = ["héllo", b"\x00\xff", "", "x" * 100_000]
            for message in messages:
                socket.send(message)
                assert socket.recv(timeout=10) == message

    def test_closes_after_as_many_messages_as_asked(self, demo_url: str) -> None:
        with connect(demo_url.replace("http", "ws") + "/parley/socket?limit=1") as socket:
            socket.send("only")
            assert socket.recv(timeout=10) == "only"
            with pytest.raises(ConnectionClosedOK):
                socket.recv(timeout=10)

    @pytest.mark.parametrize("limit", ["0", "1.5", "1001", "many"])
    def test_a_limit_out_of_range_is_refused(self, api: httpx.Client, limit: str) -> None:
        headers = {"upgrade": "websocket"}
        answer = api.get(f"/parley/socket?limit={limit}", headers=headers)
        assert (answer.status_code, answer.json()["parameter"]) == (400, "limit")


class TestPatience:
    def test_waits_as_long_as_it_says(self, api: httpx.Client) -> None:
        answer = api.get("/patience/wait?delay_ms=300")
        assert answer.json() == {"waited_ms": 300}
        assert answer.elapsed.total_seconds() >= 0.3

    def test_lets_its_lines_drip(self, api: httpx.Client) -> None:
        answer = api.get("/patience/drip?lines=3&pause_ms=1")
        assert answer.text == "line 1 of 3\nline 2 of 3\nline 3 of 3\n"
