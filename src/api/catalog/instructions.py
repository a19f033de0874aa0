"""Says how an API is called and paid, for agents: from its record and the deployment's settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from api.catalog.texts import dollars
from core.errors import ConfigurationError
from core.ports import Environment, Json
from payments.requirements import accepts_entry, requirements_for
from tenants.discovery import Discovery
from tenants.json_schema import compact_schema
from tenants.records import Tenant
from tenants.routes import ANY_METHOD

_ROUTES_MAX = 20
_SCHEMA_LENGTH = 1_500
_EXAMPLE_LENGTH_MAX = 1_500
HOW_TO_PAY = (
    "Send the request without a payment. The response has the status 402, and its header"
    " PAYMENT-REQUIRED is base64 of JSON with the ways to pay in `accepts`. Sign one of them, and"
    " send the same request again with the payment in the header PAYMENT-SIGNATURE. The response"
    " then has the receipt in PAYMENT-RESPONSE. Clients that do this by themselves: npm @x402/fetch"
    " and @x402/axios, PyPI x402. A request that fails is not charged, and the same payment is"
    " never charged twice."
)


def instructions_of(environment: Environment, tenant: Tenant, url: str) -> Mapping[str, Json]:
    """Return how to call the API at `url`, what each of its routes costs, and how to pay."""
    found: dict[str, Json] = {"requests": [*_requests(tenant, url)]}
    if len(tenant.routes) > _ROUTES_MAX:
        found["moreRoutes"] = len(tenant.routes) - _ROUTES_MAX
    if tenant.priced:
        found["payment"] = _payment(environment, tenant.priced)
    if tenant.rate_limit is not None:
        limit = tenant.rate_limit
        found["rateLimit"] = {"requests": limit.requests, "windowSeconds": limit.window_seconds}
    return found


def _payment(environment: Environment, priced: Iterable[Tenant]) -> Mapping[str, Json]:
    try:
        ways = [accepts_entry(way) for one in priced for way in requirements_for(environment, one)]
    except ConfigurationError:
        # The health report names the setting.
        return {"problem": "This deployment cannot take payments for this API at the moment."}
    different = {repr(way): way for way in ways}
    return {
        "protocol": "x402",
        "version": 2,
        "instructions": HOW_TO_PAY,
        "accepts": [*different.values()][:_ROUTES_MAX],
    }


def _requests(tenant: Tenant, url: str) -> Iterator[Mapping[str, Json]]:
    routes = tenant.routes[:_ROUTES_MAX]
    for route in routes:
        own = tenant.at("GET" if route.method == ANY_METHOD else route.method, [route.path])
        if own.route is route:
            yield _request(own, f"{url}{route.path}", route.method)
    methods = tenant.discovery.methods or ("GET",)
    yield _request(tenant, url, methods[0])


def _request(tenant: Tenant, url: str, method: str) -> Mapping[str, Json]:
    return {
        "method": "any" if method == ANY_METHOD else method,
        "url": url,
        "priceUsd": dollars(tenant.price_micros) if tenant.is_priced else "0",
        **_described(tenant.discovery),
    }


def _described(discovery: Discovery) -> Mapping[str, Json]:
    schemas = {"inputSchema": discovery.input_schema, "outputSchema": discovery.output_schema}
    examples = {
        "exampleInput": discovery.input_example,
        "exampleOutput": discovery.output_example,
    }
    return {
        **({"mimeType": discovery.mime_type} if discovery.mime_type else {}),
        **{
            name: compact_schema(schema, _SCHEMA_LENGTH)
            for name, schema in schemas.items()
            if schema is not None
        },
        **{
            name: example
            for name, example in examples.items()
            if example is not None and len(repr(example)) <= _EXAMPLE_LENGTH_MAX
        },
    }
