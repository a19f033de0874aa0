"""Checks the deployed dispatcher: `/health`, platform health and analytics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cloudflare

from cli.account_api import explained
from cli.deploy.deployed import read_domains
from cli.errors import AccessError, CommandError
from cli.platform import Platform
from cli.secret import Secret
from cli.targets import Dispatcher

PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result.

    Args:
        url: The dispatcher's URL, if known.
        responds: Whether `/health` responded.
        problems: What must be fixed, as sentences.
        notices: What the operator should know, as sentences.
        calls: Today's calls; `None` if analytics could not be read.
        apis: The number of APIs in the directory; `None` if health could not be read.
    """

    url: str | None
    responds: bool
    problems: tuple[str, ...]
    notices: tuple[str, ...] = ()
    calls: int | None = None
    apis: int | None = None


def inspect(
    url: str | None, token: Secret, wait_seconds: float, progress: Callable[[str], None]
) -> Inspection:
    """Read health and analytics. Problems are returned, not raised.

    Args:
        url: The dispatcher's URL.
        token: The token of its platform API; may be empty.
        wait_seconds: How long to wait for a response: a new address takes a while.
        progress: Called with each step.
    """
    if url is None:
        return Inspection(
            None,
            responds=False,
            problems=("The dispatcher's URL is not known. Set --url to check it.",),
        )
    with Platform(Dispatcher(url, token)) as platform:
        progress(f"Waiting for {url} …")
        failure = _wait(platform, wait_seconds)
        if failure is not None:
            problem = f"The dispatcher did not respond within {wait_seconds:g} s: {failure}"
            return Inspection(url, responds=False, problems=(problem,))
        if not token:
            notice = (
                "PLATFORM_ANALYTICS_TOKEN is not set, so health and analytics were not checked."
            )
            return Inspection(url, responds=True, problems=(), notices=(notice,))
        progress("Reading health and analytics …")
        return _read(platform)


def address(client: cloudflare.Cloudflare, account_id: str, script_name: str) -> str | None:
    """Return a Worker's URL: at workers.dev, otherwise its first custom domain.

    Raises:
        CommandError: It could not be read.
    """
    with explained("reading the account's subdomain of workers.dev"):
        shown = client.workers.scripts.subdomain.get(script_name, account_id=account_id)
        if shown.enabled:
            subdomain = client.workers.subdomains.get(account_id=account_id).subdomain
            return f"https://{script_name}.{subdomain}.workers.dev"
    domains = read_domains(client, account_id)
    own = sorted(host for host, name in domains.items() if name == script_name)
    return f"https://{own[0]}" if own else None


def _wait(platform: Platform, seconds: float) -> str | None:
    """Return why there is no response, or `None` once there is one."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            platform.get("/health")
        except CommandError as error:
            if time.monotonic() + PAUSE_SECONDS > deadline:
                return error.message
            time.sleep(PAUSE_SECONDS)
        else:
            return None


def _read(platform: Platform) -> Inspection:
    try:
        health = platform.get("/__platform/health")
        analytics = platform.get("/__platform/analytics", window="today")
    except CommandError as error:
        advice = (
            "The deployed secret is kept and may differ from the token in the environment. "
            "--replace-secret PLATFORM_ANALYTICS_TOKEN overwrites it."
            if isinstance(error, AccessError)
            else error.advice
        )
        return Inspection(
            platform.url, responds=True, problems=(f"{error.message} {advice}".strip(),)
        )
    calls = analytics.get("snapshot", {}).get("heroStats", {}).get("calls")
    return Inspection(
        platform.url,
        responds=True,
        problems=_sentences(health.get("problems", [])),
        notices=_sentences(health.get("notices", [])),
        calls=int(calls) if calls is not None else None,
        apis=health.get("directory", {}).get("usable"),
    )


def _sentences(found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{one.get('code')}: {one.get('message')}" for one in found)
