"""Routes of a script: modules, bindings, settings, secrets and tags.

One class serves the scripts of dispatch namespaces and, in the tests, those of an account; they
differ in path prefix and store.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.ports import ScriptStore
from dev.cloudflare_api.responses import (
    BINDING_NOT_FOUND,
    INVALID_SCRIPT,
    SCRIPT_NOT_FOUND,
    InvalidError,
    NotFoundError,
    json_body,
    json_object,
    success,
    text_field,
)
from dev.cloudflare_api.scripts.loading import load
from dev.cloudflare_api.scripts.upload import (
    SECRET_KINDS,
    SETTINGS,
    Module,
    Script,
    build_script,
    merge_bindings,
    read_upload,
    without_secrets,
)

_BOUNDARY = "module-boundary"


class ScriptRoutes:
    """The routes of one script.

    Args:
        prefix: The path of a script, with `{script}` for its name.
        store_of: Returns the store for a request; raises `ApiError` if there is none.
        missing_code: The error code for an unknown script.
    """

    def __init__(
        self,
        prefix: str,
        store_of: Callable[[Request], ScriptStore],
        missing_code: int = SCRIPT_NOT_FOUND,
    ) -> None:
        """Keep the arguments."""
        self.prefix = prefix
        self.missing_code = missing_code
        self.store_of = store_of

    def routes(self) -> list[Route]:
        """Return the routes."""
        prefix = self.prefix
        return [
            Route(prefix, self.put, methods=["PUT"]),
            Route(prefix, self.get, methods=["GET"]),
            Route(prefix, self.delete, methods=["DELETE"]),
            Route(f"{prefix}/content", self.content, methods=["GET"]),
            Route(f"{prefix}/content", self.put_content, methods=["PUT"]),
            Route(f"{prefix}/bindings", self.bindings, methods=["GET"]),
            Route(f"{prefix}/settings", self.settings, methods=["GET"]),
            Route(f"{prefix}/settings", self.patch_settings, methods=["PATCH"]),
            Route(f"{prefix}/secrets", self.secrets, methods=["GET"]),
            Route(f"{prefix}/secrets", self.put_secret, methods=["PUT"]),
            Route(f"{prefix}/secrets-bulk", self.patch_secrets, methods=["PATCH"]),
            Route(f"{prefix}/secrets/{{secret}}", self.secret, methods=["GET"]),
            Route(f"{prefix}/secrets/{{secret}}", self.delete_secret, methods=["DELETE"]),
            Route(f"{prefix}/tags", self.tags, methods=["GET"]),
            Route(f"{prefix}/tags", self.put_tags, methods=["PUT"]),
            Route(f"{prefix}/tags/{{tag}}", self.put_tag, methods=["PUT"]),
            Route(f"{prefix}/tags/{{tag}}", self.delete_tag, methods=["DELETE"]),
        ]

    def found(self, request: Request) -> Script:
        """Return the script of a request; raise `NotFoundError` if it does not exist."""
        script = self.store_of(request).read(request.path_params["script"])
        if script is None:
            raise self.missing()
        return script

    def missing(self) -> NotFoundError:
        """Return the error for an unknown script."""
        return NotFoundError("This Worker does not exist on your account.", code=self.missing_code)

    async def stored(self, request: Request, script: Script, metadata: Mapping[str, Any]) -> str:
        """Store a script that can be loaded; return the id of its new version.

        Args:
            request: The request.
            script: The script.
            metadata: The metadata of the upload; empty for a change of settings.
        """
        if metadata:
            await asyncio.to_thread(load, script)
        await self.store_of(request).write(script)
        return uuid4().hex

    async def put(self, request: Request) -> Response:
        """Upload a script."""
        upload = await read_upload(request)
        name = request.path_params["script"]
        script = build_script(upload, name, self.store_of(request).read(name))
        version = await self.stored(request, script, upload.metadata)
        return success(described(script) | {"startup_time_ms": 1, "deployment_id": version})

    async def get(self, request: Request) -> Response:
        """Describe a script."""
        script = self.found(request)
        dates = {"created_on": script.created_on, "modified_on": script.modified_on}
        namespace = request.path_params.get("namespace")
        return success({**dates, "dispatch_namespace": namespace, "script": described(script)})

    async def delete(self, request: Request) -> Response:
        """Remove a script."""
        script = self.found(request)
        await self.store_of(request).remove(script.name)
        return success(None)

    async def content(self, request: Request) -> Response:
        """Return the modules."""
        return modules_response(self.found(request))

    async def put_content(self, request: Request) -> Response:
        """Replace the modules only."""
        script = self.found(request)
        upload = await read_upload(request)
        fresh = build_script(upload, script.name, script)
        script = script.changed(main=fresh.main, modules=fresh.modules)
        await self.stored(request, script, upload.metadata)
        return success(described(script))

    async def bindings(self, request: Request) -> Response:
        """List the bindings."""
        return success(without_secrets(self.found(request).bindings))

    async def settings(self, request: Request) -> Response:
        """Return bindings and settings."""
        return success(self.shown_settings(self.found(request)))

    async def patch_settings(self, request: Request) -> Response:
        """Change bindings and settings."""
        script = self.found(request)
        changes = (await read_upload(request)).metadata
        settings = dict(script.settings)
        settings |= {key: changes[key] for key in SETTINGS if key in changes}
        bindings = script.bindings
        if "bindings" in changes:
            bindings = merge_bindings(changes["bindings"], (), script.bindings)
        script = script.changed(bindings=bindings, settings=settings)
        await self.stored(request, script, changes)
        return success(self.shown_settings(script))

    def shown_settings(self, script: Script) -> dict[str, Any]:
        """Return bindings and settings, without secrets."""
        return {"bindings": without_secrets(script.bindings), **script.settings}

    async def secrets(self, request: Request) -> Response:
        """List the secrets, without their values."""
        script = self.found(request)
        secrets = [one for one in script.bindings if one["type"] in SECRET_KINDS]
        return success(without_secrets(secrets))

    async def secret(self, request: Request) -> Response:
        """Describe one secret, without its value."""
        return success(without_secrets([self._secret(request)])[0])

    async def put_secret(self, request: Request) -> Response:
        """Set a secret."""
        one = _secret_of(await json_object(request))
        script = self.found(request)
        others = tuple(other for other in script.bindings if other["name"] != one["name"])
        await self.stored(request, script.changed(bindings=(*others, one)), {})
        return success(without_secrets([one])[0])

    async def patch_secrets(self, request: Request) -> Response:
        """Set several secrets, and remove those with the value null."""
        document = await json_object(request)
        changes = document.get("secrets", document)
        if not isinstance(changes, dict):
            raise InvalidError("secrets must be an object.")
        fresh = [_secret_of(one) for one in changes.values() if isinstance(one, dict)]
        script = self.found(request)
        kept = [one for one in script.bindings if one["name"] not in changes]
        script = script.changed(bindings=(*kept, *fresh))
        await self.stored(request, script, {})
        return success(
            [one for one in without_secrets(script.bindings) if one in without_secrets(fresh)]
        )

    async def delete_secret(self, request: Request) -> Response:
        """Remove a secret."""
        one = self._secret(request)
        script = self.found(request)
        left = tuple(other for other in script.bindings if other != one)
        await self.stored(request, script.changed(bindings=left), {})
        return success(None)

    def _secret(self, request: Request) -> Mapping[str, Any]:
        name = request.path_params["secret"]
        for one in self.found(request).bindings:
            if one["name"] == name and one["type"] in SECRET_KINDS:
                return one
        raise NotFoundError(f"There is no secret {name}.", code=BINDING_NOT_FOUND)

    async def tags(self, request: Request) -> Response:
        """List the tags."""
        return success(self.found(request).tags)

    async def put_tags(self, request: Request) -> Response:
        """Replace the tags."""
        tags = await json_body(request)
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise InvalidError("The body must be a list of tags.")
        return await self._tagged(request, tags)

    async def put_tag(self, request: Request) -> Response:
        """Add a tag."""
        tag = request.path_params["tag"]
        return await self._tagged(request, [*self.found(request).tags, tag])

    async def delete_tag(self, request: Request) -> Response:
        """Remove a tag."""
        tag = request.path_params["tag"]
        await self._tagged(request, [one for one in self.found(request).tags if one != tag])
        return success(None)

    async def _tagged(self, request: Request, tags: list[str]) -> Response:
        script = self.found(request)
        unique = [*dict.fromkeys(tags)]
        await self.stored(request, script.changed(settings={**script.settings, "tags": unique}), {})
        return success(unique)


def described(script: Script) -> dict[str, Any]:
    """Return the description of a script in upload responses and listings."""
    return {
        "id": script.name,
        "etag": script.etag,
        "handlers": ["fetch"],
        "tags": script.tags,
        "usage_model": script.settings.get("usage_model", "standard"),
        "created_on": script.created_on,
        "modified_on": script.modified_on,
        "has_modules": True,
        "has_assets": any(one["type"] == "assets" for one in script.bindings),
        "logpush": bool(script.settings.get("logpush")),
        "compatibility_date": script.settings.get("compatibility_date"),
        "compatibility_flags": script.settings.get("compatibility_flags", []),
    }


def modules_response(script: Script) -> Response:
    """Return the modules as the parts of a multipart body."""
    parts = [_part(module) for module in script.modules]
    body = b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])
    return Response(
        body,
        media_type=f"multipart/form-data; boundary={_BOUNDARY}",
        headers={"cf-entrypoint": script.main, "etag": f'"{script.etag}"'},
    )


def _part(module: Module) -> bytes:
    name = module.name.replace('"', "%22")
    head = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {module.content_type}\r\n\r\n"
    )
    return head.encode() + module.content + b"\r\n"


def _secret_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    name = text_field(document, "name")
    kind = document.get("type", "secret_text")
    if kind not in SECRET_KINDS:
        raise InvalidError(f"A secret cannot be of the type {kind}.", code=INVALID_SCRIPT)
    if kind == "secret_text" and not isinstance(document.get("text"), str):
        raise InvalidError("text must be a string.", code=INVALID_SCRIPT)
    return {**document, "name": name, "type": kind}
