"""Makes the response to a caller from a script's response."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import ClientClosedRequest
from core.ports import ProxyResponse, UpstreamResponse
from core.responses import (
    ALLOW_ORIGIN_HEADER,
    ANY_ORIGIN,
    EXPOSED_HEADERS,
    PAYMENT_ID_HEADER,
    PAYMENT_RESPONSE_HEADER,
    PAYMENT_RESPONSE_HEADER_V1,
    REQUEST_ID_HEADER,
)
from core.telemetry import SERVED, SERVED_WITH_RECEIPT
from gateway.request_context import (
    TENANT_ID_HEADER,
    RequestContext,
    replaced_headers,
    reserved_headers,
)
from payments.models import Settlement
from tenants.admission import Reservation
from tenants.limit_headers import FIELDS_EXPOSED
from tenants.records import Tenant

_EXPOSE = "access-control-expose-headers"


def proxy_response(
    context: RequestContext,
    tenant: Tenant,
    upstream: UpstreamResponse,
    settlement: Settlement | None,
    reservation: Reservation | None,
) -> ProxyResponse:
    """Return a script's response with the dispatcher's own headers.

    Args:
        context: The request.
        tenant: The tenant at the price of the request.
        upstream: The script's response.
        settlement: What the request paid; None for nothing.
        reservation: What it reserved of the tenant's limits; None if there are none.
    """
    names = upstream.header_names
    own = ((REQUEST_ID_HEADER, context.request_id), (TENANT_ID_HEADER, tenant.tenant_id))
    # Added, not set: the script may have its own limits.
    limits = () if reservation is None else reservation.headers
    if not tenant.is_priced and not context.payment_id:
        add = (*limits, (_EXPOSE, FIELDS_EXPOSED)) if limits else ()
        return ProxyResponse(upstream, own, reserved_headers(names), add)
    of_payment: Sequence[tuple[str, str]] = ()
    if settlement is not None:
        of_payment = settlement.headers
    elif context.payment_id:
        of_payment = ((PAYMENT_ID_HEADER, context.payment_id),)
    # The page that paid must be able to read it; a script may know better which pages may.
    readable = () if ALLOW_ORIGIN_HEADER in names else (ANY_ORIGIN,)
    return ProxyResponse(
        upstream,
        (*own, *of_payment, ("cache-control", "no-store")),
        replaced_headers(names),
        (*limits, *readable, EXPOSED_HEADERS),
    )


def outcome_of(upstream: UpstreamResponse, *, is_paid: bool) -> tuple[int, str]:
    """Return the status and the outcome of a request that a script served.

    If no payment was taken for it (`is_paid`), the script may have taken one itself.
    """
    if not upstream.has_client:
        return ClientClosedRequest.status, ClientClosedRequest.code
    names = upstream.header_names
    has_receipt = PAYMENT_RESPONSE_HEADER in names or PAYMENT_RESPONSE_HEADER_V1 in names
    return upstream.status, SERVED_WITH_RECEIPT if has_receipt and not is_paid else SERVED
