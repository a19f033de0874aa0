"""What all demo scripts have in common."""

import httpx
import pytest

from .conftest import NAMESPACE

SCRIPTS = sorted(path.stem for path in NAMESPACE.iterdir())

# Requests with one invalid parameter, and the name of the parameter.
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
    response = api.get(f"/{script}/no/such/path")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("script", ["airports", "exchange", "feasts", "palette", "parley", "pulse"])
def test_read_only_scripts_reject_other_methods(api: httpx.Client, script: str) -> None:
    response = api.delete(f"/{script}/")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(("path", "parameter"), BAD_PARAMETERS)
def test_an_invalid_parameter_is_reported_by_name(
    api: httpx.Client, path: str, parameter: str | None
) -> None:
    response = api.get(f"/{path}")
    assert 400 <= response.status_code < 500
    assert response.json().get("parameter") == parameter
    assert response.json()["message"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_get_example_works(api: httpx.Client, script: str) -> None:
    for endpoint in api.get(f"/{script}/").json()["endpoints"]:
        if endpoint["method"].startswith(("GET", "any")) and "upgrade" not in endpoint["method"]:
            path = endpoint.get("example", endpoint["path"]).replace("{name}", "x")
            assert api.get(f"/{script}{path}").status_code in {200, 303, 401}, path
