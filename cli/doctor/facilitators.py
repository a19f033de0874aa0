"""Checks the facilitators in the environment: calls `GET /supported` of each as the Worker does.

This is what an operator can try before a deployment. The Worker's own secrets cannot be read; its
health report says whether they are accepted (`cli.doctor.dispatcher`).
"""

import asyncio
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from api.payment_health import settled_networks
from cli.doctor.check import Check, State
from cli.doctor.outgoing import HostClock, HostEnvironment
from core.errors import ConfigurationError, FetchFailed
from payments.facilitator import Facilitators
from payments.facilitator_settings import LIST_SETTING, URL_SETTING, Facilitator, facilitators_of
from tenants.networks import read_network
from tenants.pricing import EXACT

PART = "facilitators"

_PLACES = "the environment or the --env file"


def check_facilitators(settings: Mapping[str, str], wrangler_toml: Path) -> Iterator[Check]:
    """Check each facilitator that the settings name.

    Args:
        settings: The environment merged with the `--env` file; takes precedence.
        wrangler_toml: The configuration whose `vars` are deployed.
    """
    variables = tomllib.loads(wrangler_toml.read_text()).get("vars", {})
    known = {**{name: str(value) for name, value in variables.items()}, **settings}
    if not known.get(LIST_SETTING) and not known.get(URL_SETTING):
        message = f"neither {LIST_SETTING} nor {URL_SETTING} is in {_PLACES}"
        yield Check(PART, "settings", State.UNCHECKED, message, "Only priced APIs need them.")
        return
    environment = HostEnvironment(known)
    try:
        found = facilitators_of(environment)
    except ConfigurationError as error:
        yield Check(PART, "settings", State.FAILED, error.message, "See docs/reference/settings.md")
        return
    facilitators = Facilitators(environment, HostClock())
    for facilitator in found:
        yield _check(facilitators, facilitator, known)


def _check(
    facilitators: Facilitators, facilitator: Facilitator, settings: Mapping[str, str]
) -> Check:
    url = facilitator.url
    missing = [name for name in facilitator.secrets if not settings.get(name)]
    if missing:
        message = f"not called, because {_PLACES} lacks its secret ({', '.join(missing)})"
        remedy = "Set it there to try it; whether the Worker has it is in its health report."
        return Check(PART, url, State.WARNING, message, remedy)
    try:
        kinds = asyncio.run(facilitators.supported(url))
    except (FetchFailed, ConfigurationError) as error:
        return Check(PART, url, State.FAILED, f"/supported: {error}")
    networks = settled_networks(kinds)
    wanted = read_network(settings.get("X402_NETWORK", ""))
    if wanted is not None and wanted not in networks:
        message = f"it does not settle the scheme {EXACT} on {wanted}"
        remedy = "Use another facilitator, or another X402_NETWORK."
        return Check(PART, url, State.FAILED, message, remedy)
    return Check(PART, url, State.OK, f"responds; settles on {', '.join(sorted(networks)) or '-'}")
