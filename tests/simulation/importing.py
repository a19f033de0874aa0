"""Imports of old events, and their undo: schedules them, and repeats them until acknowledged."""

from __future__ import annotations

import json

from core import constants
from core.calendar import DAY_MS
from metering.batches import IMPORTED, Batch, encode_batch
from metering.imports.undoing import UNDONE
from tests.simulation.world import World, at

_REPEAT_MS = 20_000


def schedule_imports(world: World) -> None:
    """Schedule the imports of a run."""
    for at_ms in world.shape.imports:
        at(world, at_ms, lambda: import_events(world))


def import_events(world: World) -> None:
    """Import old events, in random pieces, some twice, until all are acknowledged."""
    start_ms = world.shape.start_ms
    name = world.random.choice(("", f"import-{len(world.imported)}"))
    events = world.imported.setdefault(name, [])
    for _ in range(world.random.choice((1, 4))):
        days = world.random.choice((0, 0, 1, 3, 40))
        event = world.event(start_ms - days * DAY_MS - world.random.randrange(DAY_MS))
        world.recorded[event.request_id] = event
        events.append(event)
    repeat_imports(world, name)
    if name and world.random.random() < 0.5:
        undo_ms = world.random.choice((100, 5_000, 120_000, 4_000_000))
        at(world, world.loop.now_ms + undo_ms, lambda: undo_import(world, name))


def repeat_imports(world: World, name: str) -> None:
    """Import everything from some isolate, if something is not acknowledged yet."""
    imported = world.imported[name]
    is_done = all((name, event.request_id) in world.import_acks for event in imported)
    if is_done or name in world.undone_before:
        return
    isolate = world.some_isolate()
    for _ in range(2):
        events = world.random.choices(imported, k=2) + imported
        world.random.shuffle(events)
        size = min(constants.BATCH_EVENTS_MAX, world.random.randint(1, len(events)))
        for start in range(0, len(events), size):
            batch = Batch(IMPORTED, 0, 0, events[start : start + size], source=name)
            call = world.call(isolate, 0, "append", encode_batch(batch))
            world.invocation(isolate).run(call)
    at(world, world.loop.now_ms + _REPEAT_MS, lambda: repeat_imports(world, name))


def undo_import(world: World, name: str) -> None:
    """Undo an import; import its events again, as another one, when that is acknowledged."""
    isolate = world.some_isolate()

    async def undo() -> None:
        argument = json.dumps({"import": name, "execute": True})
        text = await isolate.shards.call(0, "undo", argument)
        if json.loads(text)["state"] == UNDONE and name not in world.undone:
            world.undone.add(name)
            again = f"{name}-again"
            world.imported[again] = world.imported[name]
            at(world, world.loop.now_ms, lambda: repeat_imports(world, again))

    world.invocation(isolate).run(undo())
