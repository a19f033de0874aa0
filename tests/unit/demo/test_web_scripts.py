"""What the demo scripts of failures, sessions, echoes and counters promise their callers."""

import hashlib

import httpx
import pytest


class TestMishap:
    def test_the_forecast_comes_true_for_every_seed(self, api: httpx.Client) -> None:
        forecast = api.get("/mishap/forecast?from=100&count=60&rate=0.5").json()["outcomes"]
        assert {fate["outcome"] for fate in forecast} == {"ok", "500", "throw"}
        for fate in forecast:
            answer = api.get(f"/mishap/draw?rate=0.5&seed={fate['seed']}")
            assert (answer.status_code == 200) == (fate["outcome"] == "ok")
            assert ("Error:" in answer.text) == (fate["outcome"] == "throw")

    def test_fails_about_as_often_as_it_is_asked_to(self, api: httpx.Client) -> None:
        forecast = api.get("/mishap/forecast?count=1000&rate=0.2").json()["outcomes"]
        assert sum(fate["outcome"] != "ok" for fate in forecast) == pytest.approx(200, abs=40)

    def test_fails_exactly_when_told_to(self, api: httpx.Client) -> None:
        assert api.get("/mishap/draw?fail=1&rate=0").status_code == 500
        assert api.get("/mishap/draw?fail=0&rate=1").status_code == 200
        assert api.get("/mishap/draw?fail=503").status_code == 503
        assert "secret ingredient" in api.get("/mishap/draw?fail=throw").text


class TestPassport:
    def test_signing_in_sets_three_cookies_and_redirects(self, api: httpx.Client) -> None:
        answer = api.post("/passport/login?user=ada&theme=dark")
        assert (answer.status_code, answer.headers["location"]) == (303, "profile")
        names = [cookie.split("=")[0] for cookie in answer.headers.get_list("set-cookie")]
        assert names == ["session", "theme", "seen"]

    def test_following_the_redirect_arrives_signed_in(self, api: httpx.Client) -> None:
        answer = api.get("/passport/login?user=ada&theme=dark", follow_redirects=True)
        assert answer.json() == {"user": "ada", "theme": "dark"}

    def test_signing_out_forgets(self, api: httpx.Client) -> None:
        api.get("/passport/login?user=ada")
        api.get("/passport/logout")
        assert api.get("/passport/profile").status_code == 401


class TestMirror:
    def test_echoes_method_path_query_headers_and_body(self, api: httpx.Client) -> None:
        headers = {"x-agent-id": "agent-7", "content-type": "text/plain"}
        echo = api.request("PATCH", "/mirror/a%2Fb/c?x=%20&&y", headers=headers, content=b"body")
        seen = echo.json()["request"]
        assert (seen["method"], seen["path"], seen["query"]) == ("PATCH", "/a%2Fb/c", "x=%20&&y")
        assert dict(seen["headers"])["x-agent-id"] == "agent-7"
        assert seen["body"] == {"bytes": 4, "sha256": hashlib.sha256(b"body").hexdigest()}


class TestTally:
    def test_counts_up_down_and_forgets(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=3").json() == {"name": "cups", "count": 3}
        assert api.post("/tally/counters/cups?by=-1").json()["count"] == 2
        assert api.get("/tally/counters").json()["counters"]["cups"] == 2
        assert api.delete("/tally/counters/cups").status_code == 204
        assert api.get("/tally/counters/cups").json()["count"] == 0

    def test_refuses_to_count_by_a_fraction(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=0.5").json()["parameter"] == "by"
