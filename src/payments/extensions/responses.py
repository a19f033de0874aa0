"""What facilitators say about the extensions of payments, such as why no catalog has an API.

A facilitator says it in the header `EXTENSION-RESPONSES` of its responses: JSON as base64, an
object by extension. The newest of each route is kept in `TENANT_KV`, for `clawr show`. It is
written when it changes, and read once in an isolate's lifetime, so a payment costs neither.

Sources: the specification of the extension `bazaar`, and `attachExtensionResponsesFromHeader` of
the npm package @x402/core 2.27.0.
"""

from __future__ import annotations

import binascii
import json
import logging
from dataclasses import dataclass, field

from core import keys
from core.calendar import timestamp
from core.errors import StoreUnavailable
from core.logs import fields
from core.ports import Background, Clock, Json, KeyValueStore
from core.safe_json import read_json
from payments.facilitator import clean

_LOGGER = logging.getLogger(__name__)

_HEADER_LENGTH_MAX = 4_000
_EXTENSIONS_MAX = 5
_VALUE_LENGTH_MAX = 200
_FIELDS = ("status", "rejectedReason", "reason", "code")
"""Those that the official client logs."""

_ROUTES_MAX = 60
_KNOWN_MAX = 2_000


@dataclass(slots=True)
class ExtensionResponses:
    """What facilitators said to one isolate."""

    store: KeyValueStore | None
    clock: Clock
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    """What is stored, by slug and route."""

    _changed: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, slug: str, route: str, facilitator: str, header: str) -> None:
        """Remember the header of a response about a payment; empty if there was none.

        `route` is the name of the route that was paid for, empty for the record's price.
        """
        said = _decode(header) if header else {}
        if not said or self.store is None:
            return
        text = json.dumps({"facilitator": facilitator, "extensions": said})
        api = (slug, route or "*")
        if text == self._known.get(api):
            self._changed.pop(api, None)
        else:
            self._changed[api] = text

    def send(self, background: Background) -> None:
        """Store in the background what changed."""
        if self._changed:
            changed, self._changed = self._changed, {}
            if len(self._known) > _KNOWN_MAX:
                self._known.clear()
            self._known |= changed
            background.run(self._store(changed))

    async def _store(self, changed: dict[tuple[str, str], str]) -> None:
        assert self.store is not None
        for (slug, route), text in changed.items():
            key = keys.extension_responses(slug)
            try:
                stored = _object((await self.store.get_many([key]))[key])
                if _without_time(stored.get(route)) == text:
                    continue
                stored.pop(route, None)
                newest = [*stored.items()][1 - _ROUTES_MAX :]
                at = timestamp(self.clock.now_ms())
                value = {**dict(newest), route: {"at": at, **json.loads(text)}}
                await self.store.put(key, json.dumps(value, ensure_ascii=False), {})
            except StoreUnavailable as error:
                # The next payment tries again.
                self._known.pop((slug, route), None)
                _LOGGER.warning(
                    "extension_response_not_stored", extra=fields(slug=slug, cause=str(error))
                )


def _decode(header: str) -> dict[str, dict[str, str]]:
    """Return what a header says, as far as it is known and short; empty if it is malformed."""
    if len(header) > _HEADER_LENGTH_MAX:
        return {}
    try:
        document = read_json(binascii.a2b_base64(header.encode("ascii")).decode())
    except ValueError:
        return {}
    said: dict[str, dict[str, str]] = {}
    for name, value in [*document.items()][:_EXTENSIONS_MAX] if isinstance(document, dict) else ():
        parts = value if isinstance(value, dict) else {}
        said[clean(name)[:_VALUE_LENGTH_MAX]] = {
            part: clean(parts[part])[:_VALUE_LENGTH_MAX]
            for part in _FIELDS
            if isinstance(parts.get(part), str)
        }
    return said


def _object(text: str | None) -> dict[str, Json]:
    """Return what is stored; nothing if it is malformed."""
    try:
        found = read_json(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _without_time(entry: Json) -> str:
    parts = entry if isinstance(entry, dict) else {}
    return json.dumps({name: value for name, value in parts.items() if name != "at"})
