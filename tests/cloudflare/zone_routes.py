"""Routes for zones, and for the routes and custom domains of Workers.

https://developers.cloudflare.com/workers/configuration/routing/
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.responses import (
    BAD_REQUEST,
    ConflictError,
    InvalidError,
    NotFoundError,
    json_body,
    json_object,
    paged,
    success,
    text_field,
)

ROUTE_TAKEN = 10020
UNKNOWN_ZONE = 7003
DOMAIN_NOT_FOUND = 100114


class Zones:
    """The zones of the account, their routes and their custom domains."""

    def __init__(self) -> None:
        """Start empty."""
        self.names: dict[str, str] = {}
        """Names of zones by id."""
        self.routes: dict[str, dict[str, Any]] = {}
        """Routes by id, each with its zone's id."""
        self.domains: dict[str, dict[str, Any]] = {}
        """Custom domains by id."""

    def add(self, name: str) -> str:
        """Add a zone, such as `example.com`; return its id."""
        zone_id = uuid4().hex
        self.names[zone_id] = name
        return zone_id

    def zone_of(self, host: str) -> tuple[str, str]:
        """Return id and name of a host's zone.

        Raises:
            NotFoundError: There is none.
        """
        for zone_id, name in self.names.items():
            if host == name or host.endswith(f".{name}"):
                return zone_id, name
        raise NotFoundError(f"There is no zone of {host}.", code=UNKNOWN_ZONE)


class ZoneRoutes:
    """The API's routes for zones.

    Args:
        zones: The zones.
    """

    def __init__(self, zones: Zones) -> None:
        """Keep the argument."""
        self._zones = zones

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_zone = "/zones/{zone}/workers/routes"
        domains = "/accounts/{account}/workers/domains"
        of_script = "/accounts/{account}/workers/scripts/{script}"
        return [
            Route("/zones", self.index, methods=["GET"]),
            Route(of_zone, self.index_routes, methods=["GET"]),
            Route(of_zone, self.create_route, methods=["POST"]),
            Route(f"{of_zone}/{{route}}", self.update_route, methods=["PUT"]),
            Route(f"{of_zone}/{{route}}", self.delete_route, methods=["DELETE"]),
            Route(domains, self.index_domains, methods=["GET"]),
            Route(domains, self.put_domain, methods=["PUT"]),
            Route(f"{domains}/{{domain}}", self.delete_domain, methods=["DELETE"]),
            Route(f"{of_script}/routes", self.put_routes, methods=["PUT"]),
            Route(f"{of_script}/domains/changeset", self.changeset, methods=["POST"]),
            Route(f"{of_script}/domains/records", self.put_domains, methods=["PUT"]),
        ]

    async def index(self, request: Request) -> Response:
        """List the zones, or the one with a name."""
        wanted = request.query_params.get("name")
        found = [
            {"id": zone_id, "name": name, "status": "active"}
            for zone_id, name in self._zones.names.items()
            if wanted in (None, name)
        ]
        return paged(found, request)

    async def index_routes(self, request: Request) -> Response:
        """List the routes of a zone."""
        zone_id = self._zone(request)
        return success(
            [_shown(one) for one in self._zones.routes.values() if one["zone_id"] == zone_id]
        )

    async def create_route(self, request: Request) -> Response:
        """Create a route to a Worker."""
        return self._put_route(request, uuid4().hex, await json_object(request))

    async def update_route(self, request: Request) -> Response:
        """Change a route's pattern or Worker."""
        route_id = request.path_params["route"]
        self._route(request)
        return self._put_route(request, route_id, await json_object(request))

    async def delete_route(self, request: Request) -> Response:
        """Remove a route."""
        self._route(request)
        del self._zones.routes[request.path_params["route"]]
        return success({"id": request.path_params["route"]})

    async def put_routes(self, request: Request) -> Response:
        """Replace all routes of a Worker."""
        script = request.path_params["script"]
        routes = self._zones.routes
        for route_id in [key for key, one in routes.items() if one.get("script") == script]:
            del routes[route_id]
        for one in await json_body(request):
            host = one.get("zone_name") or one["pattern"].split("/")[0].removeprefix("*.")
            zone_id = one.get("zone_id") or self._zones.zone_of(host)[0]
            route_id = uuid4().hex
            routes[route_id] = {
                "id": route_id,
                "zone_id": zone_id,
                "pattern": one["pattern"],
                "script": script,
            }
        return success([one["pattern"] for one in routes.values() if one["script"] == script])

    async def index_domains(self, request: Request) -> Response:
        """List the custom domains."""
        service = request.query_params.get("service")
        return success(
            [one for one in self._zones.domains.values() if service in (None, one["service"])]
        )

    async def put_domain(self, request: Request) -> Response:
        """Add a custom domain to a Worker."""
        document = await json_object(request)
        service = text_field(document, "service")
        return success(self._put_domain(text_field(document, "hostname"), service))

    async def delete_domain(self, request: Request) -> Response:
        """Remove a custom domain."""
        if self._zones.domains.pop(request.path_params["domain"], None) is None:
            raise NotFoundError("There is no such domain.", code=DOMAIN_NOT_FOUND)
        return success(None)

    async def changeset(self, request: Request) -> Response:
        """Return the changes that new custom domains would cause."""
        script = request.path_params["script"]
        hosts = [one["hostname"] for one in await json_body(request)]
        existing = {one["hostname"]: one for one in self._zones.domains.values()}
        return success(
            {
                "added": [{"hostname": host} for host in hosts if host not in existing],
                "removed": [],
                "updated": [
                    {**existing[host], "modified": existing[host]["service"] != script}
                    for host in hosts
                    if host in existing
                ],
                "conflicting": [],
            }
        )

    async def put_domains(self, request: Request) -> Response:
        """Add several custom domains to a Worker."""
        document = await json_object(request)
        origins = document.get("origins")
        if not isinstance(origins, list):
            raise InvalidError("origins must be a list.")
        script = request.path_params["script"]
        return success([self._put_domain(one["hostname"], script) for one in origins])

    def _put_route(self, request: Request, route_id: str, document: Mapping[str, Any]) -> Response:
        zone_id = self._zone(request)
        pattern = text_field(document, "pattern")
        taken = [one for one in self._zones.routes.values() if one["pattern"] == pattern]
        if any(one["id"] != route_id for one in taken):
            raise ConflictError("A route with the same pattern already exists.", code=ROUTE_TAKEN)
        route = {"id": route_id, "zone_id": zone_id, **document}
        self._zones.routes[route_id] = route
        return success(_shown(route))

    def _put_domain(self, host: str, service: str) -> dict[str, Any]:
        zone_id, zone_name = self._zones.zone_of(host)
        existing = [one for one in self._zones.domains.values() if one["hostname"] == host]
        domain = {
            "id": existing[0]["id"] if existing else uuid4().hex,
            "cert_id": uuid4().hex,
            "environment": "production",
            "hostname": host,
            "service": service,
            "zone_id": zone_id,
            "zone_name": zone_name,
        }
        self._zones.domains[domain["id"]] = domain
        return domain

    def _zone(self, request: Request) -> str:
        zone_id: str = request.path_params["zone"]
        if zone_id not in self._zones.names:
            raise NotFoundError(f"There is no zone {zone_id}.", code=UNKNOWN_ZONE)
        return zone_id

    def _route(self, request: Request) -> None:
        if request.path_params["route"] not in self._zones.routes:
            raise NotFoundError("There is no such route.", code=BAD_REQUEST)


def _shown(route: Mapping[str, Any]) -> dict[str, Any]:
    return {key: route.get(key) for key in ("id", "pattern", "script")}
