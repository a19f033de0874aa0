"""Settings that are a list of texts, separated by commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from core.ports import Environment


class ListedSetting(NamedTuple):
    """A setting whose value is a list.

    Each text is compared in lower case with `pattern`, which `expected` describes in words.
    `default` is the list without the setting.
    """

    name: str
    pattern: re.Pattern[str]
    expected: str
    default: Sequence[str] = ()

    def read(self, environment: Environment) -> Sequence[str]:
        """Return the usable texts in lower case; the others are left out."""
        return [text for text in self._texts(environment) if self.pattern.fullmatch(text)]

    def problems(self, environment: Environment) -> Sequence[str]:
        """Return a sentence about each text that cannot be used."""
        return [
            f"The setting {self.name} has {text[:80]!r}, which is not {self.expected}."
            for text in self._texts(environment)
            if not self.pattern.fullmatch(text)
        ]

    def _texts(self, environment: Environment) -> Sequence[str]:
        value = environment.setting(self.name)
        if value is None:
            return self.default
        return [text for part in value.split(",") if (text := part.strip().lower())]


KEY_HEADERS = ListedSetting(
    "CALLER_KEY_HEADERS",
    re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII),
    "the name of a header",
    (
        "authorization",
        "x-api-key",
        "api-key",
        "apikey",
        "x-rapidapi-key",
        "ocp-apim-subscription-key",
        "x-auth-token",
    ),
)
"""The headers that carry API keys, the one that counts most first."""

CORS_ORIGINS = ListedSetting(
    "PLATFORM_CORS_ORIGINS",
    re.compile(r"https?://(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?", re.ASCII),
    "an origin such as https://dashboard.example, without path",
)
"""The origins whose pages may call the platform API."""

IGNORED_AGENTS = ListedSetting(
    "IGNORED_USER_AGENTS",
    re.compile(r"[ -~]{3,100}", re.ASCII),
    "a part of a user agent: 3 to 100 visible ASCII characters",
    (
        "amazon-route53-health-check",
        "better uptime",
        "bingbot",
        "checkly",
        "cloudflare-healthchecks",
        "datadog/synthetics",
        "freshping",
        "googlebot",
        "googlestackdrivermonitoring",
        "hetrixtools",
        "newrelicpinger",
        "pingdom",
        "site24x7",
        "statuscake",
        "updown.io",
        "uptime-kuma",
        "uptimerobot",
    ),
)
"""Parts of the user agents of monitors and bots whose requests do not count as calls. Without the
setting these are the widespread monitors, and the crawlers of search engines."""

PUBLISH_PROBE = "clawr-publish-probe"
"""The user agent of the request with which `clawr publish` tries a new API; it never counts.

Anyone may send it, and only stays out of the totals: limits and payments apply to all requests."""

LISTED_SETTINGS = (KEY_HEADERS, CORS_ORIGINS, IGNORED_AGENTS)
