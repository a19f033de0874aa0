"""The options of one run, with their checks."""

import enum
import json
import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.errors import UsageError

DEFAULT_PORT = 8787
HIGHEST_PORT = 65535
HOST = "127.0.0.1"


class Runtime(enum.Enum):
    """The Pyodide bundle that workerd loads."""

    LOCAL = "local"
    """The bundle that set-up built from npm's Pyodide; needs no network."""

    CLOUDFLARE = "cloudflare"
    """Cloudflare's bundle, which workerd downloads; no development flags."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """The checked options of one run.

    Args:
        port: The port on 127.0.0.1; 0 for any free one.
        state: The absolute path of the folder of local KV and databases.
        namespace: The absolute path of the folder of the tenants' scripts.
        tenant_directory: The tenant directory as JSON text, or `None`.
        variables: Settings and secrets that override all others.
        runtime: The Pyodide bundle to use.
        bundle: The folder of the bundle for `Runtime.LOCAL`; `None` for the one of set-up.
        inspector_port: The port for debuggers; 0 for any free one.
        prepared: The folder of a prepared start (`dev.launch.prepared`).
        reloads: Whether wrangler reloads the Worker when the clone's sources are edited; then
            only the memory snapshot of a prepared start is used.
        has_explorer: Whether a prepared start has miniflare's local explorer too, the HTTP API for
            local KV and databases. `wrangler dev` always has it.
    """

    port: int
    state: Path
    namespace: Path
    tenant_directory: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    runtime: Runtime = Runtime.LOCAL
    bundle: Path | None = None
    inspector_port: int = 0
    prepared: Path | None = None
    reloads: bool = False
    has_explorer: bool = False


def check_port(text: str) -> int:
    """Return the port of `PORT`.

    Raises:
        UsageError: It is not a number from 0 to 65535, or the port is taken.
    """
    if not text.isdecimal() or not 0 <= int(text) <= HIGHEST_PORT:
        raise UsageError(
            f"PORT={text} is not a port: give a number from 1 to 65535, or 0 for any free one."
        )
    port = int(text)
    with socket.socket() as probe:
        # Without this option, a port in TIME_WAIT, which workerd can use, would seem taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise UsageError(
                f"Port {port} needs root: choose one from 1024 up, for example PORT=8788."
            ) from error
        except OSError as error:
            raise UsageError(
                f"Port {port} is taken: stop what listens there, or choose another one, "
                "for example PORT=0 for any free port."
            ) from error
    return port


def check_state(folder: Path) -> Path:
    """Create the state folder if it is missing; return its absolute path.

    Raises:
        UsageError: It cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"STATE={folder} is not a folder that can be written to ({error.strerror}): "
            "choose another one."
        ) from error
    return folder.absolute()


def check_namespace(folder: Path) -> Path:
    """Return the namespace folder as an absolute path.

    Raises:
        UsageError: It is not a folder, or not readable.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(
            f"NAMESPACE={folder} is not a readable folder: give the folder of the scripts "
            "(NAME.js or NAME/index.js)."
        )
    return folder.absolute()


def check_tenants(file: Path) -> str:
    """Return the text of a tenant directory.

    The Worker checks the records and reports invalid ones.

    Raises:
        UsageError: The file is missing, unreadable, or not a directory.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(
            f"TENANTS={file} cannot be read ({reason}): give a JSON file such as "
            "dev/demo/tenants.json."
        ) from error
    try:
        directory = json.loads(text)
    except ValueError as error:
        raise UsageError(f"TENANTS={file} is not JSON ({error}): correct the file.") from error
    if not isinstance(directory, dict):
        raise UsageError(f'TENANTS={file} must contain an object such as {{"tenants": []}}.')
    # The guard imports this package without `src`.
    from core.errors import ConfigurationError  # noqa: PLC0415
    from tenants.records import parse_directory  # noqa: PLC0415

    try:
        parse_directory(text)
    except ConfigurationError as error:
        # The message names the setting first.
        reason = error.message.partition("unusable. ")[2] or error.message
        raise UsageError(f"TENANTS={file} is not a tenant directory: {reason}") from error
    return text


def check_runtime(text: str) -> Runtime:
    """Return the runtime of `RUNTIME`.

    Raises:
        UsageError: It is unknown.
    """
    try:
        return Runtime(text)
    except ValueError as error:
        raise UsageError(
            f"RUNTIME={text} is unknown: use RUNTIME=local or RUNTIME=cloudflare."
        ) from error
