"""Describes the catalog and its APIs as JSON-LD for search engines, in words of schema.org."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.catalog.texts import dollars
from api.explore.catalog import ListedApi
from core.ports import Json
from snapshots.serialization import json_text

_CONTEXT = "https://schema.org"
_LISTED_MAX = 100


def api_data(api: ListedApi, url: str, page: str) -> Mapping[str, Json]:
    """Return the JSON-LD of one API, which is called at `url` and described at `page`."""
    fields = api.fields
    found: dict[str, Json] = {
        "@context": _CONTEXT,
        "@type": "WebAPI",
        "@id": page,
        "name": fields["title"] or api.slug or api.id,
        "url": page,
        "provider": {"@type": "Organization", "name": fields["owner"]},
        "category": fields["directory"],
        "isAccessibleForFree": not fields["charges"],
        "potentialAction": {"@type": "ConsumeAction", "target": url},
    }
    if fields["description"]:
        found["description"] = fields["description"]
    if fields["tags"]:
        found["keywords"] = list(fields["tags"])
    if fields["charges"]:
        low, high = fields["listedPriceMicros"], fields["highestPriceMicros"]
        found["offers"] = {
            "@type": "Offer" if low == high else "AggregateOffer",
            "priceCurrency": "USD",
            **(
                {"price": dollars(low)}
                if low == high
                else {"lowPrice": dollars(low), "highPrice": dollars(high)}
            ),
        }
    return found


def catalog_data(apis: Sequence[ListedApi], origin: str) -> Mapping[str, Json]:
    """Return the JSON-LD of the catalog at `origin`, with the pages of its first APIs."""
    listed = [api for api in apis if api.slug][:_LISTED_MAX]
    return {
        "@context": _CONTEXT,
        "@type": "DataCatalog",
        "@id": f"{origin}/explore",
        "name": "Published APIs",
        "description": "APIs that programs and agents can call, free or paid for by the request.",
        "url": f"{origin}/explore",
        "mainEntity": {
            "@type": "ItemList",
            "numberOfItems": len(apis),
            "itemListElement": [
                {
                    "@type": "ListItem",
                    "position": position,
                    "name": api.fields["title"] or api.slug,
                    "url": f"{origin}/explore/{api.slug}",
                }
                for position, api in enumerate(listed, start=1)
            ],
        },
    }


def script_text(data: Mapping[str, Json]) -> str:
    """Return JSON-LD as the text of an element `script`, which no text in it can end."""
    text = json_text(data)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
