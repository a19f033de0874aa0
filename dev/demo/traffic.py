"""Plans the varied requests of the demo; the same seed gives the same plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

AGENTS = tuple(
    f"{trade}-{number}"
    for trade in ("planner", "trader", "auditor", "courier", "librarian")
    for number in range(1, 6)
)
API_KEY_SHARE = 0.25
API_KEYS = tuple(f"demo-key-{number}" for number in range(1, 8))


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request to send.

    Args:
        api: Slug of the called API; `None` for one that is not published.
        method: HTTP method.
        path: Path and query, from `/`.
        host: Host header; `None` for the dispatcher's own.
        headers: Further headers, which identify the caller.
        body_bytes: Size of the body; 0 for none.
    """

    api: str | None
    method: str
    path: str
    host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body_bytes: int = 0


RequestFactory: TypeAlias = Callable[[Random], PlannedRequest]


def _get(slug: str, path: str) -> PlannedRequest:
    return PlannedRequest(slug, "GET", f"/t/{slug}{path}")


def _airports_list(random: Random) -> PlannedRequest:
    country = random.choice(["US", "DE", "BR", "PT", "IN", "CA"])
    sort = random.choice(["iata", "city", "elevation_m"])
    return _get("airports", f"/airports?country={country}&sort={sort}&per_page=5")


def _airports_by_host(random: Random) -> PlannedRequest:
    iata = random.choice(["LIS", "DEN", "HND", "CPT", "UIO", "QQQ"])
    return PlannedRequest("airports", "GET", f"/airports/{iata}", host="airports.demo.localhost")


def _airports_nearest(random: Random) -> PlannedRequest:
    latitude, longitude = random.randint(-60, 70), random.randint(-179, 180)
    return _get("airports", f"/nearest?latitude={latitude}&longitude={longitude}")


def _feasts(random: Random) -> PlannedRequest:
    rite = random.choice(["western", "eastern"])
    return _get("feasts", f"/feasts?year={random.randint(1990, 2040)}&rite={rite}")


def _exchange(random: Random) -> PlannedRequest:
    source, target = random.sample(["EUR", "USD", "GBP", "JPY", "CHF", "INR"], 2)
    path = f"/convert?from={source}&to={target}&amount={random.randint(1, 90_000)}"
    return PlannedRequest("exchange", "GET", path, host="fx.demo.localhost")


def _exchange_by_international_host(random: Random) -> PlannedRequest:
    base = random.choice(["EUR", "CHF"])
    host = "wechselkurse-zürich.demo.localhost".encode("idna").decode("ascii")
    return PlannedRequest("exchange", "GET", f"/rates?base={base}", host=host)


def _pulse_stream(random: Random) -> PlannedRequest:
    symbol = random.choice(["ACME", "CLAWR", "GLOBEX", "INITECH"])
    count, interval_ms = random.randint(2, 6), random.choice([10, 50, 100])
    return _get("pulse", f"/ticks?symbol={symbol}&count={count}&interval_ms={interval_ms}")


def _pulse_price(random: Random) -> PlannedRequest:
    return _get("pulse", f"/price?symbol=ACME&tick={random.randint(0, 500)}")


def _digest(random: Random) -> PlannedRequest:
    algorithm = random.choice(["sha256", "sha256", "sha1", "sha512"])
    body_bytes = random.choice([1_000, 40_000, 40_000, 400_000, 4_000_000])
    return PlannedRequest("digest", "POST", f"/t/digest/{algorithm}", body_bytes=body_bytes)


def _tally(random: Random) -> PlannedRequest:
    name = random.choice(["espresso", "tea", "water"])
    method = random.choice(["POST", "POST", "GET", "DELETE"])
    return PlannedRequest("tally", method, f"/t/tally/counters/{name}")


def _passport(random: Random) -> PlannedRequest:
    path = random.choice(["/login?user=ada", "/login?user=grace&theme=dark", "/profile", "/logout"])
    return _get("passport", path)


def _palette(random: Random) -> PlannedRequest:
    scheme = random.choice(["triadic", "analogous", "complementary"])
    return _get("palette", f"/harmony?hex={random.randrange(1 << 24):06x}&scheme={scheme}")


def _mirror(random: Random) -> PlannedRequest:
    method = random.choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    body_bytes = random.randint(1, 5_000) if method in {"POST", "PUT", "PATCH"} else 0
    return PlannedRequest("mirror", method, "/t/mirror/any%2Fpath?q=1", body_bytes=body_bytes)


def _parley_without_upgrade(random: Random) -> PlannedRequest:
    return _get("parley", random.choice(["/", "/socket"]))


def _patience(random: Random) -> PlannedRequest:
    delay_ms = random.choice([150, 300, 600, 1_200])
    return _get("patience", f"/wait?delay_ms={delay_ms}")


def _mishap(random: Random) -> PlannedRequest:
    return _get("mishap", f"/draw?seed={random.randrange(10_000)}&rate=0.2")


def _mishap_exception(_: Random) -> PlannedRequest:
    return _get("mishap", "/draw?fail=throw")


def _bad_parameter(random: Random) -> PlannedRequest:
    bad = [
        ("airports", "/airports?page=0"),
        ("palette", "/colour?hex=red"),
        ("pulse", "/ticks?count=-1"),
    ]
    return _get(*random.choice(bad))


def _unknown_slug(random: Random) -> PlannedRequest:
    slug = random.choice(["unknown", "removed", "not-yet-published"])
    return PlannedRequest(None, "GET", f"/t/{slug}/anything")


MIX: Mapping[RequestFactory, int] = {
    _airports_list: 14,
    _airports_by_host: 5,
    _airports_nearest: 5,
    _feasts: 5,
    _exchange: 14,
    _exchange_by_international_host: 3,
    _pulse_stream: 6,
    _pulse_price: 5,
    _digest: 7,
    _tally: 5,
    _passport: 4,
    _palette: 6,
    _mirror: 8,
    _parley_without_upgrade: 2,
    _patience: 4,
    _mishap: 7,
    _mishap_exception: 1,
    _bad_parameter: 2,
    _unknown_slug: 2,
}
"""The relative frequency of each kind of request."""


def plan(requests: int, seed: int) -> list[PlannedRequest]:
    """Plan the requests of one run; each kind occurs at least once if there are enough.

    Args:
        requests: Number of requests, from 1.
        seed: The same seed gives the same plan.

    Returns:
        The requests, in the order to send them.
    """
    random = Random(seed)  # noqa: S311 (made-up traffic, not secrets)
    factories = list(MIX)
    random.shuffle(factories)
    chosen = factories[:requests]
    chosen += random.choices(
        factories, [MIX[factory] for factory in factories], k=requests - len(chosen)
    )
    random.shuffle(chosen)
    return [_with_caller(factory(random), random) for factory in chosen]


def _with_caller(request: PlannedRequest, random: Random) -> PlannedRequest:
    """Add a caller to a request; a few callers make most of the calls."""
    busy = int(random.paretovariate(1.2)) - 1
    if random.random() < API_KEY_SHARE:
        caller = {"x-api-key": API_KEYS[busy % len(API_KEYS)]}
    else:
        caller = {"x-agent-id": AGENTS[busy % len(AGENTS)]}
    return PlannedRequest(
        api=request.api,
        method=request.method,
        path=request.path,
        host=request.host,
        headers={**request.headers, **caller},
        body_bytes=request.body_bytes,
    )
