"""Runs the dispatcher locally under `wrangler dev`.

`make dev` runs `python -m dev.launch`; tests use `running_dispatcher`:

    from dev.launch import running_dispatcher

    with running_dispatcher(state=tmp_path) as server:
        httpx.get(f"{server.url}/health")
"""

from dev.launch.options import LaunchOptions, Runtime
from dev.launch.server import Server
from dev.launch.start import running_dispatcher

__all__ = ["LaunchOptions", "Runtime", "Server", "running_dispatcher"]
