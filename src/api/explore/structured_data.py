"""Describes an API as JSON-LD for search engines, in words of schema.org."""

from __future__ import annotations

from collections.abc import Mapping

from core.ports import Json
from snapshots.ranking import shown_owner
from tenants.records import Tenant

_CONTEXT = "https://schema.org"
_MICROS_PER_USD = 1_000_000


def structured_data(
    tenant: Tenant, url: str, page: str, lowest_micros: int, highest_micros: int
) -> Mapping[str, Json]:
    """Return the JSON-LD of an API.

    Args:
        tenant: Its record.
        url: Where it is called.
        page: Where it is described.
        lowest_micros: The lowest price of a request, in micro-dollars.
        highest_micros: The highest one, 0 if it is free.
    """
    described = tenant.discovery
    found: dict[str, Json] = {
        "@context": _CONTEXT,
        "@type": "WebAPI",
        "@id": page,
        "name": described.title or tenant.slug,
        "url": page,
        "provider": {"@type": "Organization", "name": shown_owner(tenant.owner)},
        "isAccessibleForFree": highest_micros == 0,
        "potentialAction": {"@type": "ConsumeAction", "target": url},
    }
    if tenant.directory:
        found["category"] = tenant.directory
    if tenant.description:
        found["description"] = tenant.description
    if described.tags:
        found["keywords"] = list(described.tags)
    if highest_micros:
        low, high = lowest_micros / _MICROS_PER_USD, highest_micros / _MICROS_PER_USD
        found["offers"] = {
            "priceCurrency": "USD",
            **(
                {"@type": "Offer", "price": low}
                if low == high
                else {"@type": "AggregateOffer", "lowPrice": low, "highPrice": high}
            ),
        }
    return found
