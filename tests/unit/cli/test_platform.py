"""What the connection to a dispatcher promises, tried on a server that misbehaves."""

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


def test_a_failure_is_asked_for_again() -> None:
    with answering(in_turn(Reply(b"", 500), Reply({"ok": True}))) as server:
        with Platform(server.dispatcher) as platform:
            assert platform.get(PATH) == {"ok": True}
        assert len(server.asked) == 2


def test_failures_are_not_asked_for_for_ever() -> None:
    with answering(in_turn(FAILED)) as server:
        with Platform(server.dispatcher) as platform, pytest.raises(NetworkError, match="502"):
            platform.get(PATH)
        assert len(server.asked) == module.ATTEMPTS


def test_what_must_not_happen_twice_is_sent_once() -> None:
    with answering(in_turn(FAILED)) as server:
        with Platform(server.dispatcher) as platform, pytest.raises(NetworkError):
            platform.ask("POST", "/anything", {})
        assert len(server.asked) == 1


def test_nobody_there_is_explained() -> None:
    with answering(in_turn(FAILED)) as server:
        gone = server.dispatcher
    with Platform(gone) as platform, pytest.raises(NetworkError, match="could not be reached"):
        platform.get(PATH)


def test_a_slow_answer_is_a_timeout_and_not_asked_for_again() -> None:
    with answering(in_turn(Reply({}, seconds=0.5))) as server:
        with (
            Platform(server.dispatcher, httpx.Timeout(0.1)) as platform,
            pytest.raises(NetworkError, match="in time"),
        ):
            platform.get(PATH)
        assert len(server.asked) == 1


def test_an_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS_MAX", -1.0)
    with (
        answering(in_turn(Reply({"ok": True}))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(NetworkError, match="in time"),
    ):
        platform.get(PATH)


def test_a_huge_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 2**20)
    with (
        answering(in_turn(Reply(b" " * 2**22))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(NetworkError, match="more than 1 MiB"),
    ):
        platform.get(PATH)


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
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


def test_the_token_is_sent_and_never_shown_where_it_is_sent_back() -> None:
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
def test_a_refusal_says_the_dispatchers_words(status: int, error: type[CommandError]) -> None:
    body = {"ok": False, "error": "code", "message": "the reason", "requestId": "r-1"}
    with (
        answering(in_turn(Reply(body, status))) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(error, match=r"the reason \(request r-1\)"),
    ):
        platform.get(PATH)


def test_who_is_asked_to_wait_is_told_how_long() -> None:
    reply = Reply({"error": "rate_limited"}, 429, {"retry-after": "17"})
    with (
        answering(in_turn(reply)) as server,
        Platform(server.dispatcher) as platform,
        pytest.raises(QuotaError) as caught,
    ):
        platform.get(PATH)
    assert "17 seconds" in caught.value.advice


def test_an_unchanged_answer_is_asked_for_by_its_tag() -> None:
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
def test_what_is_no_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(InputError):
        Platform(Dispatcher(url, Secret("")))


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as caught:
        Platform(Dispatcher("https://me:swordfish@example.test", Secret("")))
    assert "swordfish" not in caught.value.message


@pytest.mark.parametrize("token", ["with\nbreak", "schlüssel"])
def test_a_token_that_no_header_carries_is_refused(token: str) -> None:
    with pytest.raises(InputError):
        Platform(Dispatcher("https://example.test", Secret(token)))


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
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
