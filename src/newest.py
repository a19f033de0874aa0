"""What the newest batches add to the summaries of a window, added up as they come.

Owns which of them are counted already. Batches only ever come, or grow while
this isolate still holds them; when one goes, because a summary has it now, all
are counted anew. Refuses to know summaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from events import Batch
from figures import Figures


@dataclass(slots=True)
class Newest:
    """Figures of some batches, each counted once."""

    figures: Figures = field(default_factory=Figures)
    _counted: dict[str, Batch] = field(default_factory=dict)

    def goes_on(self, batches: Mapping[str, Batch]) -> bool:
        """Tell whether `batches`, by key, have all that is counted."""
        return all(
            name in batches and _has_grown(batch, batches[name])
            for name, batch in self._counted.items()
        )

    def add(self, batches: Mapping[str, Batch]) -> Figures:
        """Count what is new in `batches`, which have all that is counted, and give that."""
        new = Figures()
        for name, batch in batches.items():
            known = self._counted.get(name)
            if known is None:
                new.add(batch)
            elif known is not batch:
                rest = batch.events[len(known.events) :]
                new.add(Batch(rest, batch.dropped - known.dropped))
            self._counted[name] = batch
        self.figures.merge(new)
        return new


def _has_grown(known: Batch, batch: Batch) -> bool:
    """Tell whether a batch under the same key is the same or has more, as it is only added to."""
    return known is batch or (
        len(known.events) <= len(batch.events) and known.dropped <= batch.dropped
    )
