"""The ways in which finding and reading batches is broken on purpose."""

from __future__ import annotations

from tests.simulation.mutating import Mutation

READING = (
    Mutation(
        "held batches count in addition to summarised ones",
        "tails",
        "tail_names",
        "if is_inside and keys.batch_name(name) not in sources.get(minute, frozenset()):",
        "if is_inside:",
    ),
    Mutation(
        "listed batches count in addition to summarised ones",
        "tails",
        "tail_names",
        "name for name in listed if keys.batch_name(name) not in made_of",
        "listed",
    ),
    Mutation(
        "what this isolate holds is not read",
        "tails",
        "batches_of",
        "found[name] = tail.local.held[name]",
        "pass",
    ),
    Mutation(
        "a held batch that KV lists is fetched",
        "tails",
        "batches_of",
        "elif name in tail.local.held:",
        "elif name in tail.local.held and all(name not in some for some in tail.names.values()):",
    ),
    Mutation(
        "a listing's second page is not read",
        "batches",
        "list_names",
        "cursor = page.cursor",
        "cursor = None",
    ),
    Mutation(
        "an empty page counts as the last",
        "batches",
        "has_names",
        "if page.keys or page.cursor is None:",
        "if True:",
    ),
    Mutation(
        "a first page that is empty counts as the whole log",
        "tails",
        "_by_minute",
        "default=_NO_MINUTE",
        "default=0",
    ),
    Mutation(
        "an empty page of events lets all that is held out",
        "event_pages",
        "_Search.look_at",
        "if not listed and page.cursor is not None:",
        "if False:",
    ),
    Mutation(
        "a summary that KV does not show yet is left out in silence",
        "windows",
        "_read_summaries",
        "reading.complete, reading.behind = False, True",
        "reading.behind = True",
    ),
    Mutation(
        "batches that nobody looked for are said to be counted",
        "windows",
        "read_window",
        "reading.seen_until = progress.settled",
        "pass",
    ),
    Mutation(
        "a batch that does not parse stops the others",
        "batches",
        "read_batches",
        "except (KeyMalformed, BatchUnreadable)",
        "except KeyMalformed",
    ),
    Mutation(
        "a batch that does not parse is left out in silence",
        "batches",
        "read_batches",
        'unread.unreadable.append(f"{name}: {error}")',
        "del error",
    ),
    Mutation(
        "a batch that is listed and not there is left out in silence",
        "batches",
        "read_batches",
        "unread.missing.append(name)",
        "pass",
    ),
    Mutation(
        "APIs are told apart by their slug alone",
        "figures",
        "Figures.add",
        "ApiId(event.api.tenant_id,",
        "ApiId('tenant-0',",
    ),
    Mutation(
        "refused requests count as calls",
        "aggregates",
        "Aggregate.add",
        "if not event.counted:",
        "if False:",
    ),
    Mutation(
        "the week has eight days",
        "analytics",
        "days_of",
        "today + 1)",
        "today + 2)",
    ),
)
