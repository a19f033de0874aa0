"""The client of the platform API, against a server that misbehaves."""

import time
from collections.abc import Callable

import httpx
import pytest

from cli import platform as module
from cli.errors import AccessError, CommandError, InputError, MissingError, NetworkError, QuotaError
from cli.platform import Platform
from cli.secret import HIDDEN, Secret
from cli.targets import Dispatcher
from tests.cli.loopback import TOKEN, Asked, Reply, answering, in_turn

PATH = "/__platform/analytics"
FAILED = Reply(b"<h1>bad gateway</h1>", 502)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)


def test_a_server_error_is_retried() -> None:
    with answering(in_turn(Reply(b"", 500), Reply({"ok": True}))) as server:
        with Platform(server.dispatcher) as platform:
            assert platform.get(PATH) == {"ok": True}
        assert len(server.asked) == 2


def test_the_number_of_retries_is_limited() -> None:
    with answering(in_turn(FAILED)) as server:
        with Platform(server.dispatcher) as platform, pytest.raises(NetworkError, match="502"):
            platform.get(PATH)
        assert len(server.asked) == module.ATTEMPTS


def test_a_request_that_is_not_idempotent_is_not_retried() -> None:
    with answering(in_turn(FAILED)) as server:
        with Platform(server.dispatcher) as platform, pytest.raises(NetworkError):
            platform.request("POST", "/anything", {})
        assert len(server.asked) == 1


def test_a_failed_connection_is_explained() -> None:
    with answering(in_turn(FAILED)) as server:
        gone = server.dispatcher
    with Platform(gone) as platform, pytest.raises(NetworkError, match="could not be reached"):
        platform.get(PATH)


def test_a_slow_response_times_out_and_is_not_retried() -> None:
    with answering(in_turn(Reply({}, seconds=0.5))) as server:
        with (
            Platform(server.dispatcher, httpx.Timeout(0.1)) as platform,
            pytest.raises(NetworkError, match="timed out"),
        ):
            platform.get(PATH)
        assert len(server.asked) == 1


def test_an_endless_response_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESPONSE_SECONDS_MAX", -1.0)
    with (
        answering(in_turn(Reply({"ok": True}))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(NetworkError, match="timed out"),
    ):
        platform.get(PATH)


def test_a_huge_response_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESPONSE_BYTES_MAX", 2**20)
    with (
        answering(in_turn(Reply(b" " * 2**22))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(NetworkError, match="larger than 1 MiB"),
    ):
        platform.get(PATH)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"[" * 100_000, b"\xff"])
def test_a_response_without_a_json_object_is_rejected(body: bytes) -> None:
    with (
        answering(in_turn(Reply(body))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(CommandError, match="no JSON object"),
    ):
        platform.get(PATH)


def test_a_redirect_is_not_followed() -> None:
    with answering(in_turn(Reply({}))) as other:
        away = Reply({"ok": True}, 302, {"location": f"{other.url}/elsewhere"})
        with (
            answering(in_turn(away)) as server,
            Platform(server.dispatcher) as platform,
            pytest.raises(CommandError, match="redirects"),
        ):
            platform.get(PATH)
        assert other.asked == []


def test_an_echoed_token_is_not_shown() -> None:
    def echo(asked: Asked) -> Reply:
        said = asked.headers["authorization"]
        return Reply({"error": said, "message": said, "requestId": said, said: [said]}, 401)

    with answering(echo) as server, Platform(server.dispatcher) as platform:
        with pytest.raises(AccessError) as caught:
            platform.get(PATH)
        document = platform.send("GET", PATH).document
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in f"{caught.value.message}{caught.value.advice}{document}"
    assert HIDDEN in caught.value.message


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InputError), (404, MissingError), (405, InputError), (500, CommandError)],
)
def test_a_rejection_has_the_dispatchers_message(status: int, error: type[CommandError]) -> None:
    body = {"ok": False, "error": "code", "message": "the reason", "requestId": "r-1"}
    with (
        answering(in_turn(Reply(body, status))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(error, match=r"the reason \(request r-1\)"),
    ):
        platform.get(PATH)


def test_a_rate_limit_says_how_long_to_wait() -> None:
    reply = Reply({"error": "rate_limited"}, 429, {"retry-after": "17"})
    with (
        answering(in_turn(reply)) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(QuotaError) as caught,
    ):
        platform.get(PATH)
    assert "17 seconds" in caught.value.advice


def test_an_unchanged_document_is_not_sent_again() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == 'W/"one"':
            return Reply(b"", 304, {"etag": 'W/"one"'})
        return Reply({"ok": True}, headers={"etag": 'W/"one"'})

    with answering(answer) as server, Platform(server.dispatcher) as platform:
        assert platform.get_unless("", PATH) == ({"ok": True}, 'W/"one"')
        assert platform.get_unless('W/"one"', PATH) == (None, 'W/"one"')


@pytest.mark.parametrize(
    "url", ["nowhere", "ftp://host", "http://", "https://[::1", "file:///etc/passwd"]
)
def test_an_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(InputError):
        Platform(Dispatcher(url, Secret("")))


def test_a_url_with_a_password_is_rejected_without_repeating_it() -> None:
    with pytest.raises(InputError) as caught:
        Platform(Dispatcher("https://me:swordfish@example.test", Secret("")))
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize("token", ["with\nbreak", "schlüssel"])
def test_a_token_that_is_not_valid_in_a_header_is_rejected(token: str) -> None:
    with pytest.raises(InputError):
        Platform(Dispatcher("https://example.test", Secret(token)))


def test_pauses_between_attempts_double(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    record: Callable[[float], None] = pauses.append
    monkeypatch.setattr(module, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(time, "sleep", record)
    with answering(in_turn(FAILED)) as server, Platform(server.dispatcher) as platform:
        platform.send("GET", PATH)
    paused = [pause for pause in pauses if pause]
    assert len(paused) == module.ATTEMPTS - 1
    assert 0.7 <= paused[0] <= 1.3
    assert 1.4 <= paused[1] <= 2.6
