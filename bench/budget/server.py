"""Runs a Worker under `wrangler dev` with an inspector or with the counting bundle."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.budget.counter import CrossingCounter
from bench.budget.glue import counting_bundle
from bench.budget.inspector import Inspector, attached
from dev.launch.config import PROXY_VARIABLES, development_config, load_production_config
from dev.launch.options import HOST, LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.launch.server import Server
from dev.launch.start import plugin_folder, start_in
from dev.layout import Layout

Adapt = Callable[[RunFolder, dict[str, Any]], None]
"""A function that changes a run's folder and configuration before its start."""


@contextmanager
def running_counted(
    layout: Layout, options: LaunchOptions
) -> Iterator[tuple[Server, CrossingCounter]]:
    """Run the dispatcher with the counting bundle during a `with` block.

    Args:
        layout: The clone; set-up must have run.
        options: The run's options.

    Yields:
        The server and its counter.

    Raises:
        ServerError: It did not start.
        InspectorError: The inspector cannot be reached.
    """
    with running_attached(layout, options, is_counting=True) as (server, inspector):
        yield server, CrossingCounter(inspector)


@contextmanager
def running_attached(
    layout: Layout,
    options: LaunchOptions,
    *,
    is_counting: bool,
    adapt: Adapt = lambda _folder, _config: None,
    ready: str = "/health",
) -> Iterator[tuple[Server, Inspector]]:
    """Run a Worker with an attached inspector during a `with` block.

    Args:
        layout: The clone; set-up must have run.
        options: The run's options.
        is_counting: Whether to use the counting bundle instead of the plain one.
        adapt: Changes the folder and the configuration of the run.
        ready: The path that responds once the Worker is ready.

    Yields:
        The server and the inspector.

    Raises:
        ServerError: It did not start.
        InspectorError: The inspector cannot be reached.
    """
    bundle = counting_bundle(layout) if is_counting else None
    options = replace(options, bundle=bundle, inspector_port=_free_port())
    config = development_config(
        load_production_config(layout.wrangler_toml), options, plugin_folder(layout)
    )
    # As in production, without settings for wrangler's proxy.
    for name in PROXY_VARIABLES:
        config["vars"].pop(name, None)
    folder = RunFolder(layout)
    adapt(folder, config)
    server = start_in(layout, folder, config, options)
    try:
        server.wait_until_ready(ready)
        with attached(options.inspector_port) as inspector:
            yield server, inspector
    finally:
        server.stop()


def _free_port() -> int:
    # wrangler does not print the inspector port that it chooses.
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
