"""The catalog as the public page shows it: every field is sanitized, like those of the totals."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from api.explore.routes import ID_LENGTH_MAX
from api.explore.sanitize import (
    as_object,
    safe_directory,
    safe_endpoint,
    safe_owner,
    safe_text,
    safe_whole,
)
from core import constants
from core.ports import Json
from tenants.catalog import CatalogEntry
from tenants.discovery import METHODS, TAG_LENGTH_MAX, TAGS_MAX

_MICROS_PER_USD = 1_000_000


class ListedApi(NamedTuple):
    """One live API. `fields` are those of a row that say what it is; `search` is what is searched.

    `fields` may be shown as they are. `search` is folded like the words that are looked for.
    """

    id: str
    fields: Mapping[str, Json]
    search: str

    @property
    def endpoint(self) -> str:
        """Its path, such as `/t/SLUG`."""
        return str(self.fields["endpoint"])

    @property
    def slug(self) -> str:
        """The last part of its path."""
        return self.endpoint.rpartition("/")[2]


class Catalog(NamedTuple):
    """The live APIs by id, in the order of their endpoints, as of `made_ms`.

    `categories` has the one with the most live APIs first. `tag` identifies all of it. Of an older
    dispatcher they are not known.
    """

    made_ms: int
    apis: Mapping[str, ListedApi] = {}
    categories: Sequence[Mapping[str, Json]] = ()
    tag: str = ""
    is_known: bool = True


def catalog_of(apis: Iterable[ListedApi], made_ms: int) -> Catalog:
    """Make the catalog of these APIs; of several with the same id, the last one counts."""
    by_id = {api.id: api for api in sorted(apis, key=lambda api: api.endpoint)}
    counted = Counter(api.fields["directory"] for api in by_id.values())
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    categories = [{"directory": name, "apis": apis} for name, apis in ordered]
    digest = hashlib.blake2b(digest_size=8)
    for api in by_id.values():
        digest.update(repr((api.id, *api.fields.values())).encode())
    return Catalog(made_ms, by_id, categories[: constants.ALL_APIS_MAX], digest.hexdigest())


def listed_entry(entry: CatalogEntry) -> ListedApi:
    """Return the API of an entry of this dispatcher's catalog."""
    found = listed_api(
        {
            **entry._asdict(),
            "id": entry.id,
            "endpoint": f"/t/{entry.slug}",
            "listedPriceMicros": entry.price_micros,
            "highestPriceMicros": entry.highest_micros,
        }
    )
    assert found is not None, "a slug is safe"
    return found


def listed_api(value: Json) -> ListedApi | None:
    """Return an API of a row of this route, of whatever dispatcher; None if it has no endpoint."""
    given = as_object(value)
    endpoint = safe_endpoint(given.get("endpoint"))
    if endpoint is None:
        return None
    owner, directory = safe_owner(given.get("owner")), safe_directory(given.get("directory"))
    title = safe_text(given.get("title"), "", constants.TEXT_LENGTH_MAX)
    description = safe_text(given.get("description"), "", constants.DESCRIPTION_LENGTH_MAX)
    tags = [safe_text(tag, "", TAG_LENGTH_MAX) for tag in _list(given.get("tags"))[:TAGS_MAX]]
    methods = _list(given.get("methods"))
    price_micros = safe_whole(given.get("listedPriceMicros"), constants.PRICE_MICROS_MAX)
    highest = safe_whole(given.get("highestPriceMicros"), constants.PRICE_MICROS_MAX)
    fields = {
        "endpoint": endpoint,
        "owner": owner,
        "directory": directory,
        "title": title,
        "description": description,
        "tags": [tag for tag in tags if tag],
        "methods": [method for method in METHODS if method in methods],
        "listedPriceUsd": price_micros / _MICROS_PER_USD,
        "listedPriceMicros": price_micros,
        "highestPriceMicros": max(price_micros, highest),
        "charges": given.get("charges") is True,
    }
    searched = "\n".join((endpoint, owner, directory, title, *tags, description))
    return ListedApi(safe_text(given.get("id"), endpoint, ID_LENGTH_MAX), fields, folded(searched))


def folded(text: str) -> str:
    """Return text in a form in which letter case and width make no difference."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else []
