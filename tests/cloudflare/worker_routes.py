"""Routes for Workers outside dispatch namespaces.

https://developers.cloudflare.com/api/resources/workers/
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.responses import (
    SCRIPT_NOT_FOUND,
    SERVICE_NOT_FOUND,
    InvalidError,
    NotFoundError,
    json_body,
    json_object,
    paged,
    success,
)
from dev.cloudflare_api.routes.scripts import ScriptRoutes, described, modules_response
from dev.cloudflare_api.scripts.upload import Script, build_script, read_upload, without_secrets
from tests.cloudflare.workers import Version, Worker, Workers

ROOT: Final = "/accounts/{account}/workers/scripts"
SUBDOMAIN: Final = "fake-account"

Check = Callable[[Script, Mapping[str, Any]], Awaitable[None]]


class WorkerRoutes(ScriptRoutes):
    """The routes of Workers.

    Args:
        workers: The Workers.
        check: Raises `ApiError` for an upload that refers to missing resources.
    """

    def __init__(self, workers: Workers, check: Check) -> None:
        """Keep the arguments."""
        super().__init__(f"{ROOT}/{{script}}", lambda _request: workers.scripts)
        self._workers = workers
        self._check = check

    def routes(self) -> list[Route]:
        """Return the routes, including those of all scripts."""
        one = self.prefix
        return [
            Route(ROOT, self.index, methods=["GET"]),
            Route(f"{one}/versions", self.versions, methods=["GET"]),
            Route(f"{one}/versions", self.post_version, methods=["POST"]),
            Route(f"{one}/versions/{{version}}", self.version, methods=["GET"]),
            Route(f"{one}/deployments", self.deployments, methods=["GET"]),
            Route(f"{one}/deployments", self.deploy, methods=["POST"]),
            Route(f"{one}/schedules", self.schedules, methods=["GET"]),
            Route(f"{one}/schedules", self.put_schedules, methods=["PUT"]),
            Route(f"{one}/subdomain", self.subdomain, methods=["GET"]),
            Route(f"{one}/subdomain", self.post_subdomain, methods=["POST"]),
            Route(f"{one}/script-settings", self.settings, methods=["GET"]),
            Route(f"{one}/script-settings", self.patch_script_settings, methods=["PATCH"]),
            Route("/accounts/{account}/workers/services/{script}", self.service, methods=["GET"]),
            Route("/accounts/{account}/workers/services/{script}", self.delete, methods=["DELETE"]),
            Route(
                "/accounts/{account}/workers/durable_objects/namespaces",
                self.objects,
                methods=["GET"],
            ),
            Route("/accounts/{account}/workers/workers/{script}", self.whole, methods=["GET"]),
            Route("/accounts/{account}/workers/subdomain", self.account_subdomain, methods=["GET"]),
            *super().routes(),
        ]

    def worker(self, request: Request) -> Worker:
        """Return the Worker of a request; raises `NotFoundError` if there is none."""
        worker = self._workers.find(request.path_params["script"])
        if worker is None:
            raise self.missing()
        return worker

    async def stored(self, _request: Request, script: Script, metadata: Mapping[str, Any]) -> str:
        """Store a version and deploy it."""
        await self._check(script, metadata)
        version = self._workers.upload(script, metadata)
        await self._workers.deploy(script.name, version)
        return version.id.replace("-", "")

    async def index(self, _request: Request) -> Response:
        """List the Workers."""
        scripts = [self._workers.scripts.read(one.name) for one in self._workers.all()]
        return success([described(script) for script in scripts if script])

    async def get(self, request: Request) -> Response:
        """Return the code; for a script of a dispatch namespace, this is another route."""
        return modules_response(self.found(request))

    async def delete(self, request: Request) -> Response:
        """Remove a Worker."""
        await self._workers.remove(self.worker(request).name)
        return success(None)

    def shown_settings(self, script: Script) -> dict[str, Any]:
        """Return bindings and settings, including the migration tag."""
        worker = self._workers.find(script.name)
        return {
            **super().shown_settings(script),
            "migration_tag": worker.migration_tag if worker else None,
        }

    async def versions(self, request: Request) -> Response:
        """List the versions, newest first; `deployable=true` leaves out all others."""
        worker = self.worker(request)
        is_limited = request.query_params.get("deployable") == "true"
        found = worker.deployable if is_limited else [*reversed(worker.versions)]
        # Unlike a single version, those of a list have no resources.
        items = [{**_shown(one), "resources": None} for one in found]
        return success({"items": items})

    async def version(self, request: Request) -> Response:
        """Describe a version."""
        worker = self.worker(request)
        return success(_shown(self._version(worker, request.path_params["version"])))

    async def post_version(self, request: Request) -> Response:
        """Upload a version, which is not deployed yet."""
        worker = self.worker(request)
        upload = await read_upload(request)
        script = build_script(upload, worker.name, worker.versions[-1].script)
        await self._check(script, upload.metadata)
        version = self._workers.upload(script, upload.metadata)
        return success(_shown(version) | {"startup_time_ms": 1})

    async def deployments(self, request: Request) -> Response:
        """List the deployments, newest first."""
        return success({"deployments": [*reversed(self.worker(request).deployments)]})

    async def deploy(self, request: Request) -> Response:
        """Deploy versions."""
        worker = self.worker(request)
        document = await json_object(request)
        versions = document.get("versions")
        if not isinstance(versions, list) or sum(one["percentage"] for one in versions) != 100:
            raise InvalidError("The percentages of the versions must add up to 100.")
        found = [self._version(worker, one["version_id"]) for one in versions]
        for one in found:
            is_forced = request.query_params.get("force") == "true"
            worker.check_deployable(one, is_forced=is_forced)
            await self._check(one.script, {})
        worker.deploy(versions, document.get("annotations") or {})
        await self._workers.scripts.write(found[0].script)
        return success(worker.deployments[-1])

    async def schedules(self, request: Request) -> Response:
        """List the crons."""
        return success({"schedules": [{"cron": one} for one in self.worker(request).schedules]})

    async def put_schedules(self, request: Request) -> Response:
        """Replace the crons."""
        worker = self.worker(request)
        document = await json_body(request)
        worker.schedules = [one["cron"] for one in document]
        return await self.schedules(request)

    async def subdomain(self, request: Request) -> Response:
        """Return whether a Worker has a workers.dev address."""
        return success(_shown_subdomain(self.worker(request)))

    async def post_subdomain(self, request: Request) -> Response:
        """Enable or disable a Worker's workers.dev address."""
        worker = self.worker(request)
        document = await json_object(request)
        worker.is_on_workers_dev = bool(document.get("enabled"))
        worker.has_previews = bool(document.get("previews_enabled", worker.is_on_workers_dev))
        return success(_shown_subdomain(worker))

    async def account_subdomain(self, _request: Request) -> Response:
        """Return the account's workers.dev subdomain."""
        return success({"subdomain": SUBDOMAIN})

    async def patch_script_settings(self, request: Request) -> Response:
        """Change settings that are not part of a version."""
        script = self.found(request)
        document = await json_object(request)
        changes = {key: value for key, value in document.items() if value is not None}
        await self._workers.scripts.write(script.changed(settings={**script.settings, **changes}))
        return success(changes)

    async def service(self, request: Request) -> Response:
        """Describe a Worker in the form that wrangler reads."""
        worker = self._workers.find(request.path_params["script"])
        if worker is None:
            raise NotFoundError("workers.api.error.service_not_found", code=SERVICE_NOT_FOUND)
        script = self.found(request)
        about = described(script) | {
            "tag": worker.name,
            "migration_tag": worker.migration_tag,
            "last_deployed_from": "wrangler",
        }
        environment = {"environment": "production", "script": about}
        return success({"id": worker.name, "default_environment": environment})

    async def whole(self, request: Request) -> Response:
        """Describe a Worker in the form of the newer API."""
        worker, script = self.worker(request), self.found(request)
        return success(
            {
                "id": worker.name,
                "name": worker.name,
                "created_on": script.created_on,
                "updated_on": script.modified_on,
                "tags": script.tags,
                "logpush": bool(script.settings.get("logpush")),
                "observability": script.settings.get("observability", {"enabled": False}),
                "subdomain": _shown_subdomain(worker),
                "tail_consumers": [],
            }
        )

    async def objects(self, request: Request) -> Response:
        """List the namespaces of Durable Objects."""
        found = [
            {
                "id": f"{worker.name}-{name}",
                "name": f"{worker.name}_{name}",
                "script": worker.name,
                "class": name,
                "use_sqlite": True,
            }
            for worker in self._workers.all()
            for name in sorted(worker.classes)
        ]
        return paged(found, request)

    def _version(self, worker: Worker, version_id: str) -> Version:
        version = worker.version(version_id)
        if version is None:
            raise NotFoundError(f"There is no version {version_id}.", code=SCRIPT_NOT_FOUND)
        return version


def _shown(version: Version) -> dict[str, Any]:
    script = version.script
    return {
        "id": version.id,
        "number": version.number,
        "metadata": {
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "source": "wrangler",
            "author_email": "nobody@localhost",
            "hasPreview": False,
        },
        "annotations": version.metadata.get("annotations") or {},
        "resources": {
            "bindings": without_secrets(script.bindings),
            "script": {
                "etag": script.etag,
                "handlers": ["fetch"],
                "last_deployed_from": "wrangler",
            },
            "script_runtime": {
                "compatibility_date": script.settings.get("compatibility_date"),
                "compatibility_flags": script.settings.get("compatibility_flags", []),
                "migration_tag": version.migration_tag,
                "usage_model": "standard",
            },
        },
    }


def _shown_subdomain(worker: Worker) -> dict[str, Any]:
    return {
        "enabled": worker.is_on_workers_dev,
        "previews_enabled": worker.has_previews,
        "subdomain": f"{worker.name}.{SUBDOMAIN}.workers.dev",
    }
