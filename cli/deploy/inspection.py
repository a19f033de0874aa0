"""Looks at the deployed dispatcher as its callers and its operator see it."""

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
    """What was found.

    Args:
        url: Where the dispatcher was asked; `None` if it has no known address.
        answers: Whether `/health` answered.
        problems: What somebody must mend, in sentences.
        notices: What somebody should know, in sentences.
        calls: Today's calls, by the analytics; `None` if they could not be read.
        apis: How many APIs the directory has; `None` if health could not be read.
    """

    url: str | None
    answers: bool
    problems: tuple[str, ...]
    notices: tuple[str, ...] = ()
    calls: int | None = None
    apis: int | None = None


def inspect(
    url: str | None, token: Secret, wait_seconds: float, progress: Callable[[str], None]
) -> Inspection:
    """Ask health and analytics; nothing that is wrong raises.

    Args:
        url: The dispatcher's address.
        token: Opens its platform API; may be empty.
        wait_seconds: For how long it may be silent: a new address takes a while to answer.
        progress: Called with what is under way.
    """
    if url is None:
        return Inspection(
            None,
            answers=False,
            problems=("Its address is not known: give it with --url to have it looked at.",),
        )
    with Platform(Dispatcher(url, token)) as platform:
        progress(f"Waiting for {url} …")
        silence = _wait(platform, wait_seconds)
        if silence is not None:
            said = f"It does not answer after {wait_seconds:g} s: {silence}"
            return Inspection(url, answers=False, problems=(said,))
        if not token:
            said = "PLATFORM_ANALYTICS_TOKEN is not in the environment, so health and analytics "
            return Inspection(url, answers=True, problems=(), notices=(f"{said}were not asked.",))
        progress("Reading health and analytics …")
        return _looked_at(platform)


def address(client: cloudflare.Cloudflare, account_id: str, script_name: str) -> str | None:
    """Return where a Worker answers: at workers.dev, else at a domain of its own.

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
    """Return why it is silent, or `None` once it answers."""
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


def _looked_at(platform: Platform) -> Inspection:
    try:
        health = platform.get("/__platform/health")
        analytics = platform.get("/__platform/analytics", window="today")
    except CommandError as error:
        advice = (
            "Secrets that are set are kept: is the token in the environment another one? "
            "--replace-secret PLATFORM_ANALYTICS_TOKEN sets it."
            if isinstance(error, AccessError)
            else error.advice
        )
        return Inspection(
            platform.url, answers=True, problems=(f"{error.message} {advice}".strip(),)
        )
    calls = analytics.get("snapshot", {}).get("heroStats", {}).get("calls")
    return Inspection(
        platform.url,
        answers=True,
        problems=_sentences(health.get("problems", [])),
        notices=_sentences(health.get("notices", [])),
        calls=int(calls) if calls is not None else None,
        apis=health.get("directory", {}).get("usable"),
    )


def _sentences(found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{one.get('code')}: {one.get('message')}" for one in found)
