"""Serves an application on a free port of 127.0.0.1, in a thread of this process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from dev.errors import ServerError
from dev.launch.options import HOST

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


@contextmanager
def served(app: ASGIApp, *, has_sockets: bool = False) -> Iterator[str]:
    """Serve an application during a `with` block.

    Args:
        app: The application.
        has_sockets: Whether it serves WebSockets.

    Yields:
        Its address, without a trailing slash.

    Raises:
        ServerError: The server did not start.
    """
    listener = socket.socket()
    listener.bind((HOST, 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="auto",
        ws="websockets-sansio" if has_sockets else "none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), name="api", daemon=True
    )
    thread.start()
    try:
        _await_start(server, thread)
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    waited = 0.0
    while not server.started:
        thread.join(0.01)
        waited += 0.01
        if not thread.is_alive() or waited > START_SECONDS:
            raise ServerError("The local API did not start.")
