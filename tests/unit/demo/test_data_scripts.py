"""The demo scripts that look up and compute."""

import httpx
import pytest


class TestAirports:
    def test_filters_sorts_and_counts(self, api: httpx.Client) -> None:
        query = "country=us&sort=elevation_m&order=desc&per_page=2"
        response = api.get(f"/airports/airports?{query}").json()
        assert [airport["iata"] for airport in response["airports"]] == ["DEN", "ATL"]
        assert (response["total"], response["pages"]) == (8, 4)

    def test_pages_add_up_to_the_whole_without_repeats(self, api: httpx.Client) -> None:
        first = api.get("/airports/airports?per_page=50&sort=country").json()
        seen = []
        for page in range(1, first["pages"] + 1):
            response = api.get(f"/airports/airports?per_page=50&sort=country&page={page}").json()
            seen += [airport["iata"] for airport in response["airports"]]
        assert len(seen) == len(set(seen)) == first["total"]

    def test_finds_text_in_any_case_and_script(self, api: httpx.Client) -> None:
        response = api.get("/airports/airports", params={"q": "SÃO"}).json()
        assert [airport["iata"] for airport in response["airports"]] == ["GRU"]

    def test_looks_one_up_by_its_code(self, api: httpx.Client) -> None:
        assert api.get("/airports/airports/lis").json()["city"] == "Lisbon"
        assert api.get("/airports/airports/QQQ").json()["error"] == "airport_not_found"
        assert api.get("/airports/airports/%E0%A4%A").status_code == 404

    def test_measures_the_distance_to_the_nearest(self, api: httpx.Client) -> None:
        response = api.get("/airports/nearest?latitude=48.86&longitude=2.35&limit=2").json()
        assert [airport["iata"] for airport in response["airports"]] == ["CDG", "LHR"]
        assert response["airports"][1]["distance_km"] == pytest.approx(354, abs=5)


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
