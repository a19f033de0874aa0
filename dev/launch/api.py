"""Serves the local Cloudflare API beside a running dispatcher and announces both in STATE.

Import this module while wrangler starts: importing the API's modules takes time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dev.cloudflare_api.local import running_local_api
from dev.launch.announcement import PAYMENT_SETTINGS, Running, announced
from dev.launch.config import load_production_config, run_variables, script_folders
from dev.launch.options import HOST, LaunchOptions
from dev.launch.server import Server
from dev.layout import Layout


@contextmanager
def announced_api(layout: Layout, options: LaunchOptions, server: Server) -> Iterator[Running]:
    """Serve the API during a `with` block.

    Args:
        layout: The clone.
        options: The run's options.
        server: The running dispatcher.

    Yields:
        The content of the announcement.

    Raises:
        ServerError: The API did not start.
    """
    production = load_production_config(layout.wrangler_toml)
    variables = run_variables(production, options)
    dispatcher = f"http://{HOST}:{server.port}"
    with running_local_api(dispatcher, options.state, script_folders(options), production) as api:
        running = Running(
            process_id=os.getpid(),
            dispatcher_url=server.url,
            platform_token=str(variables.get("PLATFORM_ANALYTICS_TOKEN", "")),
            api_url=api.url,
            api_token=api.token,
            payment_settings={
                name: str(variables[name]) for name in PAYMENT_SETTINGS if name in variables
            },
            tenant_directory=str(variables.get("TENANT_DIRECTORY_JSON", "")),
        )
        with announced(options.state, running):
            yield running
