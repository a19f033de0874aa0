"""The file in STATE that tells other commands about a running `make dev`."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dev.errors import UsageError
from dev.setup.stamp import temporary_file

FILE_NAME = "running.json"
PAYMENT_SETTINGS = (
    "X402_NETWORK",
    "X402_ASSET",
    "X402_ASSET_NAME",
    "X402_ASSET_VERSION",
    "X402_ASSET_DECIMALS",
    "PAY_TO_ADDRESS",
)
"""The settings that every way to pay may use; none is secret."""

LOCAL_ACCOUNT = "0" * 31 + "1"
"""The account id of the local API; like real ones, it has 32 digits."""


class NotRunning(Exception):
    """No `make dev` runs with this STATE."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running local dispatcher.

    Args:
        process_id: The process id of its launcher.
        dispatcher_url: Its address, without a trailing slash.
        platform_token: The token of its platform API; may be empty.
        api_url: The address of the local Cloudflare API, without a trailing slash.
        api_token: The token of that API; a new one for each run.
        account_id: The account of that API.
        payment_settings: The settings by which ways to pay are read, without secrets.
        tenant_directory: The variable TENANT_DIRECTORY_JSON; empty if it is not set.
    """

    process_id: int
    dispatcher_url: str
    platform_token: str
    api_url: str
    api_token: str
    account_id: str = LOCAL_ACCOUNT
    payment_settings: Mapping[str, str] = field(default_factory=dict)
    tenant_directory: str = ""


@contextmanager
def announced(state: Path, running: Running) -> Iterator[None]:
    """Write the file, readable only by this user, and remove it after the `with` block.

    Args:
        state: The dispatcher's STATE folder.
        running: The content of the file.
    """
    content = json.dumps(asdict(running)).encode()
    with temporary_file(state / FILE_NAME, content, mode=0o600):
        # The lock ends with this process, even if that is killed and the file stays.
        descriptor = os.open(state / FILE_NAME, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def registered(register: Path, state: Path) -> Iterator[None]:
    """List a STATE folder among those that are in use, during a `with` block.

    Args:
        register: The folder with the list.
        state: The STATE folder.
    """
    register.mkdir(parents=True, exist_ok=True)
    with temporary_file(register / str(os.getpid()), os.fsencode(state), mode=0o600):
        yield


def find_registered(register: Path) -> Mapping[Path, Running]:
    """Return all listed STATE folders with a running `make dev`, sorted.

    Args:
        register: The folder with the list.
    """
    found = {}
    for file in register.glob("*"):
        try:
            state = Path(os.fsdecode(file.read_bytes()))
            found[state] = find_running(state)
        except (OSError, NotRunning):
            # It was killed.
            file.unlink(missing_ok=True)
    return dict(sorted(found.items()))


def find_running(state: Path) -> Running:
    """Return the `make dev` that runs with this STATE.

    Args:
        state: The folder.

    Raises:
        NotRunning: None is running.
    """
    try:
        with (state / FILE_NAME).open("rb") as file:
            running = Running(**json.load(file))
            is_held = _is_locked(file.fileno())
    except (OSError, ValueError, TypeError) as error:
        raise NotRunning(_not_running(state)) from error
    if not is_held:
        raise NotRunning(_not_running(state))
    return running


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _not_running(state: Path) -> str:
    return f"No `make dev` is running with STATE={state}."


@contextmanager
def reserved(state: Path) -> Iterator[None]:
    """Reserve a STATE folder for this process, because each of its databases has one writer.

    Args:
        state: The folder.

    Raises:
        UsageError: Another `make dev` uses it.
    """
    # A lock of the folder itself ends with the process, even if that is killed.
    descriptor = os.open(state, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"STATE={state} is in use by another make dev{_address(state)}: stop it, or choose "
                "another folder."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _address(state: Path) -> str:
    try:
        return f" at {find_running(state).dispatcher_url}"
    except NotRunning:
        return ", which is starting"
