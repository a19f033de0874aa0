"""The demo scripts of failures, sessions, echoes and counters."""

import hashlib

import httpx
import pytest


class TestMishap:
    def test_the_forecast_is_correct_for_every_seed(self, api: httpx.Client) -> None:
        forecast = api.get("/mishap/forecast?from=100&count=60&rate=0.5").json()["outcomes"]
        assert {one["outcome"] for one in forecast} == {"ok", "500", "throw"}
        for one in forecast:
            response = api.get(f"/mishap/draw?rate=0.5&seed={one['seed']}")
            assert (response.status_code == 200) == (one["outcome"] == "ok")
            assert ("Error:" in response.text) == (one["outcome"] == "throw")

    def test_fails_at_about_the_requested_rate(self, api: httpx.Client) -> None:
        forecast = api.get("/mishap/forecast?count=1000&rate=0.2").json()["outcomes"]
        assert sum(one["outcome"] != "ok" for one in forecast) == pytest.approx(200, abs=40)

    def test_has_the_requested_outcome(self, api: httpx.Client) -> None:
        assert api.get("/mishap/draw?fail=1&rate=0").status_code == 500
        assert api.get("/mishap/draw?fail=0&rate=1").status_code == 200
        assert api.get("/mishap/draw?fail=503").status_code == 503
        assert "secret ingredient" in api.get("/mishap/draw?fail=throw").text


class TestPassport:
    def test_signing_in_sets_three_cookies_and_redirects(self, api: httpx.Client) -> None:
        response = api.post("/passport/login?user=ada&theme=dark")
        assert (response.status_code, response.headers["location"]) == (303, "profile")
        names = [cookie.split("=")[0] for cookie in response.headers.get_list("set-cookie")]
        assert names == ["session", "theme", "seen"]

    def test_following_the_redirect_arrives_signed_in(self, api: httpx.Client) -> None:
        response = api.get("/passport/login?user=ada&theme=dark", follow_redirects=True)
        assert response.json() == {"user": "ada", "theme": "dark"}

    def test_signing_out_clears_the_session(self, api: httpx.Client) -> None:
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
    def test_counts_up_and_down_and_deletes(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=3").json() == {"name": "cups", "count": 3}
        assert api.post("/tally/counters/cups?by=-1").json()["count"] == 2
        assert api.get("/tally/counters").json()["counters"]["cups"] == 2
        assert api.delete("/tally/counters/cups").status_code == 204
        assert api.get("/tally/counters/cups").json()["count"] == 0

    def test_rejects_fractions(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=0.5").json()["parameter"] == "by"
