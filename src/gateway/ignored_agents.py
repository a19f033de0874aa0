"""Recognizes monitors and bots, whose requests do not count as calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.listed_settings import IGNORED_AGENTS, PUBLISH_PROBE
from core.ports import Environment

_KNOWN_MAX = 1_000
"""User agents whose result an isolate keeps."""

_LENGTH_MAX = 500
"""Characters of a user agent that are searched."""


@dataclass(slots=True)
class IgnoredAgents:
    """The ignored user agents of one deployment."""

    environment: Environment
    _texts: Sequence[str] = ()
    _known: dict[str, bool] = field(default_factory=dict)

    def includes(self, user_agent: str) -> bool:
        """Tell whether requests of this user agent do not count."""
        found = self._known.get(user_agent)
        return self._search(user_agent[:_LENGTH_MAX]) if found is None else found

    def _search(self, user_agent: str) -> bool:
        if not self._texts:
            self._texts = (PUBLISH_PROBE, *IGNORED_AGENTS.read(self.environment))
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        lower = user_agent.lower()
        found = self._known[user_agent] = any(text in lower for text in self._texts)
        return found
