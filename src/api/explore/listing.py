"""The list of the public page: the catalog joined with the totals of a window, and views of it.

Called APIs come first, by rank, then the live ones that were not called, by endpoint. Those that
were called and are no longer in the catalog come last: they are withdrawn, and have no rank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from api.explore.catalog import Catalog, ListedApi, folded
from api.explore.routes import CATALOG_SORTS
from core import constants
from core.ports import Json
from snapshots.ranking import RankedRow, shown_revenue
from snapshots.serialization import ROWS, etag_of, json_text

ORIGIN = "\x1f"
"""Stands for the address of the request in a body: no JSON has this character."""

_NO_TOTALS: Mapping[str, Json] = {
    "calls": 0,
    **shown_revenue(0),
    "uniqueCallers": 0,
    "latencyMs": 0,
    "p95LatencyMs": 0,
    "errorRatePct": 0,
    "uptimePct": 100,
    "topCallerShare": 0,
    "maxHourShare": 0,
    "diversityRatio": 0,
    "trendingScore": 0,
    "trend": [],
}
"""The totals of an API that was not called."""

_TEXTS_MAX = 2 * constants.ALL_APIS_MAX
_PARTS_MAX = 8
"""Views of a list that are kept, up to 1 MB each."""


class Row(NamedTuple):
    """One API. `totals` is None if it was not called, `listed` if it is not in the catalog.

    A withdrawn one has no rank.
    """

    rank: int | None
    totals: Mapping[str, Json] | None
    listed: ListedApi | None

    @property
    def id(self) -> str:
        """The API's id."""
        return str(self.value("id")) if self.listed is None else self.listed.id

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was called and is no longer in the catalog."""
        return self.rank is None

    def is_like(self, other: Row) -> bool:
        """Tell whether two rows of an API differ in nothing but the rank."""
        return (
            self.totals is other.totals
            and self.listed is other.listed
            and self.is_withdrawn is other.is_withdrawn
        )

    def value(self, name: str) -> Json:
        """Return a field of the row; the record's value if both have it."""
        if self.listed is not None and name in self.listed.fields:
            return self.listed.fields[name]
        return (self.totals or _NO_TOTALS).get(name)

    @property
    def search(self) -> str:
        """What is searched for words."""
        if self.listed is not None:
            return self.listed.search
        return folded(
            "\n".join(str(self.value(name)) for name in ("endpoint", "owner", "directory"))
        )


def _price_micros(row: Row) -> int:
    """Return what a row's calls cost, in micro-dollars: nothing if it does not charge."""
    if row.listed is None:
        return round(float(row.value("priceUsd")) * 1_000_000)
    micros: int = row.listed.fields["listedPriceMicros"]
    return micros if row.listed.fields["charges"] else 0


_SORT_KEYS: Mapping[str, Callable[[Row], Json]] = {
    "endpoint": lambda row: row.value("endpoint"),
    "title": lambda row: folded(row.value("title") or row.value("endpoint")),
    "price": _price_micros,
    "calls": lambda row: row.value("calls"),
    "revenue": lambda row: row.value("revenueMicros"),
    "callers": lambda row: row.value("uniqueCallers") or 0,
    "latency": lambda row: row.value("latencyMs"),
    "uptime": lambda row: row.value("uptimePct"),
    "errors": lambda row: row.value("errorRatePct"),
}
_OF_CALLS = ("latency", "uptime", "errors")
"""What an API that was not called does not have: it comes last."""


class View(NamedTuple):
    """Which rows of a list are shown, and in which order.

    Empty texts do not filter. `api` is a slug or an id.
    """

    search: str = ""
    category: str = ""
    owner: str = ""
    tag: str = ""
    api: str = ""
    sort: str = CATALOG_SORTS[0]
    is_descending: bool = False
    offset: int = 0
    limit: int = constants.ALL_APIS_MAX

    def rows_of(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the matching ones of `rows`, which are sorted by rank, in the view's order.

        Withdrawn APIs are always last.
        """
        is_filtered = self.search or self.category or self.owner or self.tag or self.api
        found = [row for row in rows if self._matches(row)] if is_filtered else [*rows]
        if self.sort == CATALOG_SORTS[0]:
            if self.is_descending:
                found.sort(key=lambda row: (row.is_withdrawn, -(row.rank or 0)))
            return found
        key = _SORT_KEYS[self.sort]
        found.sort(key=key, reverse=self.is_descending)
        needs_calls = self.sort in _OF_CALLS
        found.sort(key=lambda row: (row.is_withdrawn, needs_calls and not row.value("calls")))
        return found

    def _matches(self, row: Row) -> bool:
        if self.api and self.api not in (row.id, str(row.value("endpoint")).rpartition("/")[2]):
            return False
        if self.category and row.value("directory") != self.category:
            return False
        if self.owner and row.value("owner") != "@" + self.owner.removeprefix("@"):
            return False
        if self.tag and self.tag not in (row.value("tags") or ()):
            return False
        return not self.search or all(word in row.search for word in folded(self.search).split())


class RowTexts:
    """The JSON of rows without their ranks; the same text while a row is the same."""

    def __init__(self, url: str = ORIGIN) -> None:
        """Take the address below which the APIs are called, without what JSON escapes."""
        self.url = url
        self._known: dict[str, tuple[Row, str]] = {}

    def of(self, row: Row) -> str:
        """Return the JSON of a row."""
        known, text = self._known.get(row.id, (None, ""))
        if known is None or not known.is_like(row):
            text = _row_json(row, self.url)
            if len(self._known) >= _TEXTS_MAX:
                self._known.clear()
            self._known[row.id] = (row, text)
        return text


class Listing(NamedTuple):
    """The response of one window, made at `made_ms`.

    `tag` identifies what is shown. `body` and `snapshot` are all of it but the list. `parts` has
    the texts of views that were requested.
    """

    made_ms: int
    tag: str
    body: Mapping[str, Json]
    snapshot: Mapping[str, Json]
    rows: Sequence[Row]
    catalog: Catalog
    texts: RowTexts
    parts: dict[tuple[View, str], tuple[str, Sequence[str], str]]

    def tag_of(self, view: View, top: int) -> str:
        """Return the tag of a view with at most `top` rows in `topApis`."""
        digest = hashlib.blake2b(repr((view, top)).encode(errors="replace"), digest_size=6)
        return f"{self.tag}-{digest.hexdigest()}"

    def text(self, view: View, top: int, origin: str) -> str:
        """Return the response's JSON for a view, and for a request at `origin`.

        `topApis` has at most `top` rows.
        """
        key = (view, origin)
        if key not in self.parts:
            if len(self.parts) >= _PARTS_MAX:
                self.parts.clear()
            self.parts[key] = self._parts_of(view, json_text(origin)[1:-1])
        head, first, rest = self.parts[key]
        return f"{head}{','.join(first[:top])}{rest}"

    def _parts_of(self, view: View, origin: str) -> tuple[str, Sequence[str], str]:
        """Return what precedes the rows of `topApis`, as many of them as there can be, the rest."""
        rows = view.rows_of(self.rows)
        shown = rows[view.offset : view.offset + view.limit]
        end = view.offset + len(shown)
        catalog = self.catalog
        lists = {
            "apis": {
                "total": max(self.snapshot["apis"]["total"], len(self.rows)),
                "matching": len(rows),
                "shown": len(shown),
                "offset": view.offset,
                "next": end if end < len(rows) else None,
            },
            "catalog": {"live": len(catalog.apis), "categories": catalog.categories}
            if catalog.is_known
            else None,
        }
        texts = [
            f'{{"rank":{"null" if row.rank is None else row.rank},'
            f"{self.texts.of(row)[1:].replace(ORIGIN, origin)}"
            for row in shown
        ]
        ranked = sum(not row.is_withdrawn for row in shown[: constants.TOP_MAX])
        snapshot = json_text({**self.snapshot, **lists})
        head = f'{json_text(self.body)[:-1]},"snapshot":{snapshot[:-1]},"topApis":['
        return head, texts[:ranked], f'],"allApis":[{",".join(texts)}]}}}}'


def listing_of(
    body: Mapping[str, Json],
    snapshot: Mapping[str, Json],
    catalog: Catalog,
    made_ms: int,
    texts: RowTexts,
) -> Listing:
    """Join a sanitized snapshot with the catalog.

    Raises `ValueError` for a number that JSON does not have.
    """
    rest = {name: value for name, value in snapshot.items() if name not in ROWS}
    rows = [*_joined(snapshot["allApis"], catalog)]
    tag = etag_of([snapshot]).strip('"') + catalog.tag
    return Listing(made_ms, tag, body, rest, rows, catalog, texts, {})


def _joined(totals: Sequence[RankedRow], catalog: Catalog) -> Iterator[Row]:
    if not catalog.is_known:
        yield from (Row(row["rank"], row.unranked, None) for row in totals)
        return
    gone: list[Row] = []
    called: set[str] = set()
    for row in totals:
        listed = catalog.apis.get(row["id"])
        if listed is None:
            gone.append(Row(None, row.unranked, None))
        else:
            called.add(listed.id)
            yield Row(len(called), row.unranked, listed)
    others = (api for name, api in catalog.apis.items() if name not in called)
    yield from (Row(rank, None, api) for rank, api in enumerate(others, start=len(called) + 1))
    yield from gone


def _row_json(row: Row, base_url: str) -> str:
    """Return the JSON of a row without its rank."""
    totals, listed = row.totals or _NO_TOTALS, row.listed
    if listed is None:
        # What it charged is all that is known of its price.
        micros = round(totals["priceUsd"] * 1_000_000)
        described = {
            "title": "",
            "description": "",
            "tags": [],
            "methods": [],
            "listedPriceUsd": totals["priceUsd"],
            "listedPriceMicros": micros,
            "highestPriceMicros": micros,
            "charges": micros > 0,
        }
    else:
        described = {"id": listed.id, **listed.fields}
    price = {} if row.totals else {"priceUsd": described["listedPriceUsd"]}
    fields = {**totals, **price, **described, "withdrawn": row.is_withdrawn}
    # `ORIGIN` must not be escaped.
    url = "" if row.is_withdrawn else base_url + fields["endpoint"]
    return f'{json_text(fields)[:-1]},"url":"{url}"}}'
