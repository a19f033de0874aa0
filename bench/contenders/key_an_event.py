"""(e) A dispatcher that writes each event under a separate key."""

import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import js
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint

OPTIONS = to_js({"limits": {"cpuMs": 50, "subRequests": 10}}, dict_converter=js.Object.fromEntries)


class Default(WorkerEntrypoint):
    """The entrypoint."""

    async def fetch(self, request: Any) -> Any:
        """Handle a request."""
        arrived = time.time()
        address = urlsplit(request.url)
        slug = address.path.split("/")[2]
        tenants = json.loads(self.env.TENANT_DIRECTORY_JSON)["tenants"]
        tenant = next((one for one in tenants if one["slug"] == slug), None)
        if tenant is None:
            return Response.json({"ok": False, "error": "tenant_not_found"}, status=404)
        path = address.path.removeprefix(f"/t/{slug}") or "/"
        url = address._replace(path=path).geturl()
        script = self.env.DISPATCHER.get(tenant["workerName"], to_js({}), OPTIONS)
        response = await script.fetch(js.Request.new(url, request.js_object))
        event = {
            "id": str(uuid.uuid4()),
            "at": arrived,
            "tenantId": tenant["tenantId"],
            "slug": slug,
            "owner": tenant["owner"],
            "method": str(request.method),
            "status": response.status,
            "latencyMs": round((time.time() - arrived) * 1_000),
            "caller": request.headers.get("x-agent-id") or "",
            "priceUsd": 0,
        }
        key = f"event/{event['at']:.6f}/{event['id']}"
        self.ctx.waitUntil(self.env.USAGE_KV.put(key, json.dumps(event)))
        return response
