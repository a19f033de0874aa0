"""What people see who open a priced URL in a browser: the offer, in words.

Owns the page. It has no script, loads nothing, and shows every text as text.
"""

from __future__ import annotations

from html import escape

from offers import Resource
from pricing import Offer

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment required</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .75rem; overflow-wrap: anywhere }}
</style>
<h1>Payment required</h1>
<p>{description}</p>
<p>{message}</p>
<dl>
<dt>Address</dt><dd>{url}</dd>
<dt>Price of one request</dt><dd>${price}</dd>
<dt>Paid in</dt><dd>{asset_name}, token {asset} on {network}</dd>
<dt>Paid to</dt><dd>{pay_to}</dd>
</dl>
<p>This address is for programs that pay by themselves, with
<a href="https://www.x402.org" rel="noreferrer">x402</a>. What such a program needs to know is in
the header <code>PAYMENT-REQUIRED</code> of this answer.</p>
</html>
"""


def wants_page(accept: str) -> bool:
    """Tell by the header `Accept` whether a person's browser asks."""
    return "text/html" in accept.lower()


def payment_page(offer: Offer, resource: Resource, message: str) -> str:
    """Write the page of an offer."""
    dollars = f"{offer.amount_micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
    return _PAGE.format(
        description=escape(resource.description),
        message=escape(message),
        url=escape(resource.url),
        price=escape(dollars),
        asset_name=escape(offer.asset_name),
        asset=escape(offer.asset),
        network=escape(offer.network),
        pay_to=escape(offer.pay_to),
    )
