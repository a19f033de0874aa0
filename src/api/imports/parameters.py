"""What `api.routes` says about the route of imports."""

from __future__ import annotations

from api.spec import own_name, truth
from core import constants
from core.errors import ImportFolded, ImportUndone, NotFound

ERRORS = (NotFound, ImportFolded, ImportUndone)
"""Beside those of all platform routes."""

DESCRIPTION = (
    f"The body is a JSON array of events, or one event per line; at most"
    f" {constants.IMPORT_EVENTS_MAX:,} events and {constants.IMPORT_BYTES_MAX:,} bytes, with"
    " `Content-Length`. docs/import-legacy.md describes the fields of an event. An event is"
    " identified by its id: it is counted once, in whatever order, requests or repetition events"
    " are sent. Invalid events are rejected and listed; the others are imported. An import that has"
    " an `id` can be undone until the first of its days is folded: an hour after the first event of"
    " that day was imported, and not before the day ends."
)

PARAMETERS = (
    own_name(
        "id",
        "The import that the events belong to, a name of your choice. Several requests may have"
        " the same one. Without it, an import cannot be undone.",
    ),
    own_name(
        "undo",
        "The import whose events are no longer counted; they may then be imported again, under"
        " another `id`. The request has no body. It is safe to repeat.",
    ),
    truth("dryRun", "With `undo`: only report the import's state."),
)
