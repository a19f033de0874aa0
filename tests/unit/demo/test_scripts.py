"""What the demo scripts promise their callers, asked over HTTP."""

import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from .conftest import NAMESPACE

SCRIPTS = sorted(path.stem for path in NAMESPACE.iterdir())

# One request a line that has one thing wrong with it, and the parameter to be named.
BAD_PARAMETERS = [
    ("airports/airports?country=Portugal", "country"),
    ("airports/airports?sort=price", "sort"),
    ("airports/airports?page=0", "page"),
    ("airports/airports?per_page=2.5", "per_page"),
    ("airports/airports?min_elevation_m=", "min_elevation_m"),
    ("airports/nearest?latitude=91&longitude=0", "latitude"),
    ("airports/nearest?latitude=0", "longitude"),
    ("exchange/convert?from=EUR&to=XXX", "to"),
    ("exchange/convert?from=constructor&to=EUR", "from"),
    ("exchange/convert?from=EUR&to=USD&amount=-1", "amount"),
    ("exchange/rates?base=gold", "base"),
    ("feasts/easter", "year"),
    ("feasts/easter?year=1582", "year"),
    ("feasts/feasts?year=2026&rite=none", "rite"),
    ("mishap/draw?rate=2", "rate"),
    ("mishap/draw?fail=maybe", "fail"),
    ("mishap/forecast?count=0", "count"),
    ("palette/colour?hex=red", "hex"),
    ("palette/contrast?text=000000", "background"),
    ("palette/harmony?hex=000000&scheme=toString", "scheme"),
    ("parley/socket", None),
    ("passport/login?user=Ada%20L", "user"),
    ("passport/login?user=ada&theme=pink", "theme"),
    ("patience/wait?delay_ms=10001", "delay_ms"),
    ("patience/drip?lines=0", "lines"),
    ("pulse/ticks?count=201", "count"),
    ("pulse/ticks?interval_ms=-1", "interval_ms"),
    ("pulse/ticks?symbol=A1", "symbol"),
    ("tally/counters/UPPER", "name"),
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_describes_itself_at_its_root(api: httpx.Client, script: str) -> None:
    about = api.get(f"/{script}/").raise_for_status().json()
    assert about["name"].lower() == script
    assert len(about["description"]) > 20
    assert all(endpoint["path"] and endpoint["method"] for endpoint in about["endpoints"])


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "mirror"])
def test_an_unknown_path_is_not_found(api: httpx.Client, script: str) -> None:
    answer = api.get(f"/{script}/no/such/path")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("script", ["airports", "exchange", "feasts", "palette", "parley", "pulse"])
def test_what_is_only_read_refuses_to_be_written(api: httpx.Client, script: str) -> None:
    answer = api.delete(f"/{script}/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(("path", "parameter"), BAD_PARAMETERS)
def test_a_bad_parameter_is_refused_by_name(
    api: httpx.Client, path: str, parameter: str | None
) -> None:
    answer = api.get(f"/{path}")
    assert 400 <= answer.status_code < 500
    assert answer.json().get("parameter") == parameter
    assert answer.json()["message"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_example_that_is_read_works_as_it_stands(api: httpx.Client, script: str) -> None:
    for endpoint in api.get(f"/{script}/").json()["endpoints"]:
        if endpoint["method"].startswith(("GET", "any")) and "upgrade" not in endpoint["method"]:
            path = endpoint.get("example", endpoint["path"]).replace("{name}", "x")
            assert api.get(f"/{script}{path}").status_code in {200, 303, 401}, path


class TestAirports:
    def test_filters_sorts_and_counts(self, api: httpx.Client) -> None:
        query = "country=us&sort=elevation_m&order=desc&per_page=2"
        answer = api.get(f"/airports/airports?{query}").json()
        assert [airport["iata"] for airport in answer["airports"]] == ["DEN", "ATL"]
        assert (answer["total"], answer["pages"]) == (8, 4)

    def test_pages_add_up_to_the_whole_without_repeats(self, api: httpx.Client) -> None:
        first = api.get("/airports/airports?per_page=50&sort=country").json()
        seen = []
        for page in range(1, first["pages"] + 1):
            answer = api.get(f"/airports/airports?per_page=50&sort=country&page={page}").json()
            seen += [airport["iata"] for airport in answer["airports"]]
        assert len(seen) == len(set(seen)) == first["total"]

    def test_finds_text_in_any_case_and_script(self, api: httpx.Client) -> None:
        answer = api.get("/airports/airports", params={"q": "SÃO"}).json()
        assert [airport["iata"] for airport in answer["airports"]] == ["GRU"]

    def test_looks_one_up_by_its_code(self, api: httpx.Client) -> None:
        assert api.get("/airports/airports/lis").json()["city"] == "Lisbon"
        assert api.get("/airports/airports/QQQ").json()["error"] == "airport_not_found"
        assert api.get("/airports/airports/%E0%A4%A").status_code == 404

    def test_measures_the_way_to_the_nearest(self, api: httpx.Client) -> None:
        answer = api.get("/airports/nearest?latitude=48.86&longitude=2.35&limit=2").json()
        assert [airport["iata"] for airport in answer["airports"]] == ["CDG", "LHR"]
        assert answer["airports"][1]["distance_km"] == pytest.approx(354, abs=5)


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


class TestExchange:
    @pytest.mark.parametrize(
        ("query", "result"),
        [
            ("from=EUR&to=JPY&amount=12.50", "2042.75"),
            ("from=USD&to=USD&amount=0.1", "0.10"),
            ("from=JPY&to=EUR&amount=1", "0.01"),
            ("from=EUR&to=EUR&amount=999999999999.99", "999999999999.99"),
        ],
    )
    def test_converts_to_the_cent(self, api: httpx.Client, query: str, result: str) -> None:
        assert api.get(f"/exchange/convert?{query}").json()["result"] == result

    def test_every_rate_is_one_against_itself(self, api: httpx.Client) -> None:
        for code in api.get("/exchange/rates").json()["rates"]:
            rates = api.get(f"/exchange/rates?base={code.lower()}").json()["rates"]
            assert rates[code] == "1.000000"


class TestMirror:
    def test_echoes_method_path_query_headers_and_body(self, api: httpx.Client) -> None:
        headers = {"x-agent-id": "agent-7", "content-type": "text/plain"}
        echo = api.request("PATCH", "/mirror/a%2Fb/c?x=%20&&y", headers=headers, content=b"body")
        seen = echo.json()["request"]
        assert (seen["method"], seen["path"], seen["query"]) == ("PATCH", "/a%2Fb/c", "x=%20&&y")
        assert dict(seen["headers"])["x-agent-id"] == "agent-7"
        assert seen["body"] == {"bytes": 4, "sha256": hashlib.sha256(b"body").hexdigest()}


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


class TestTally:
    def test_counts_up_down_and_forgets(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=3").json() == {"name": "cups", "count": 3}
        assert api.post("/tally/counters/cups?by=-1").json()["count"] == 2
        assert api.get("/tally/counters").json()["counters"]["cups"] == 2
        assert api.delete("/tally/counters/cups").status_code == 204
        assert api.get("/tally/counters/cups").json()["count"] == 0

    def test_refuses_to_count_by_a_fraction(self, api: httpx.Client) -> None:
        assert api.post("/tally/counters/cups?by=0.5").json()["parameter"] == "by"


class TestFeasts:
    @pytest.mark.parametrize(
        ("year", "western", "eastern"),
        [
            (1583, "1583-04-10", "1583-04-10"),
            (2008, "2008-03-23", "2008-04-27"),
            (2025, "2025-04-20", "2025-04-20"),
            (2026, "2026-04-05", "2026-04-12"),
            (2038, "2038-04-25", "2038-04-25"),
        ],
    )
    def test_finds_easter(self, api: httpx.Client, year: int, western: str, eastern: str) -> None:
        for rite, date in [("western", western), ("eastern", eastern)]:
            assert api.get(f"/feasts/easter?year={year}&rite={rite}").json()["date"] == date

    def test_the_feasts_fall_on_their_weekdays(self, api: httpx.Client) -> None:
        feasts = api.get("/feasts/feasts?year=2026").json()["feasts"]
        dates = {feast["name"]: feast["date"] for feast in feasts}
        assert dates["Ash Wednesday"] == "2026-02-18"
        assert dates["Pentecost"] == "2026-05-24"


class TestPalette:
    def test_describes_a_colour(self, api: httpx.Client) -> None:
        colour = api.get("/palette/colour?hex=ff8000").json()
        assert colour["rgb"] == [255, 128, 0]
        assert colour["hsl"] == {"hue": 30.12, "saturation": 1, "lightness": 0.5}

    def test_measures_contrast_as_wcag_defines_it(self, api: httpx.Client) -> None:
        best = api.get("/palette/contrast?text=000000&background=ffffff").json()
        assert best == {"ratio": 21, "AA": True, "AAA": True}
        assert api.get("/palette/contrast?text=777777&background=ffffff").json()["AA"] is False

    def test_draws_a_harmony(self, api: httpx.Client) -> None:
        query = "hex=ff0000&scheme=triadic"
        colours = api.get(f"/palette/harmony?{query}").json()["colours"]
        assert colours == ["#ff0000", "#00ff00", "#0000ff"]
        picture = api.get(f"/palette/harmony?{query}&format=svg")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert all(colour in picture.text for colour in colours)


class TestPatience:
    def test_waits_as_long_as_it_says(self, api: httpx.Client) -> None:
        answer = api.get("/patience/wait?delay_ms=300")
        assert answer.json() == {"waited_ms": 300}
        assert answer.elapsed.total_seconds() >= 0.3

    def test_lets_its_lines_drip(self, api: httpx.Client) -> None:
        answer = api.get("/patience/drip?lines=3&pause_ms=1")
        assert answer.text == "line 1 of 3\nline 2 of 3\nline 3 of 3\n"
