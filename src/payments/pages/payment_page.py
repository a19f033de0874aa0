"""The page for those who open the URL of a priced API: what it costs, and code that pays it.

It has no scripts, and every text in it is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from payments.pages.code_samples import code_samples, described_call
from payments.requirements import PaymentRequirements, Resource
from tenants.networks import known_token, network_name_v1
from tenants.pricing import UPTO

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment required</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 44rem }}
body {{ padding: 0 1rem }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .75rem; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; padding: .75rem; border: 1px solid #8888; border-radius: .25rem }}
:root {{ color-scheme: light dark }}
</style>
<h1>{title}</h1>
<p>{description}</p>
{about}<p role="status">{message}</p>
<dl>
<dt>Address</dt><dd>{method} {url}</dd>
{ways}</dl>
<h2>How to pay</h2>
<p>Next step: copy the code below, set <code>PRIVATE_KEY</code>, and run it. A browser alone cannot
pay.</p>
<p>Programs pay for each request with <a href="https://www.x402.org" rel="noreferrer">x402</a>: a
client signs a payment, and sends the request again with it. <code>PRIVATE_KEY</code> is the key of
an account that has the token; it never leaves the program.</p>
{code}</html>
"""
_CODE = """<h3>{title}</h3>
<pre><code class="{name}">{text}</code></pre>
"""
_WAY = """<dt>Price of one request</dt><dd>{limit}${price}</dd>
<dt>Paid in</dt><dd>{asset_name}token {asset} on {network}{method}</dd>
<dt>Paid to</dt><dd>{pay_to}</dd>
"""
_ABOUT = """<p><a href="{page}">What this API does, and who uses it</a></p>
"""


def payment_page(accepts: Sequence[PaymentRequirements], resource: Resource, message: str) -> str:
    """Render the ways to pay for a resource as HTML, with a message for its reader."""
    call = described_call(resource.url, resource.method, resource.discovery)
    return _PAGE.format(
        title=escape(f"Payment required: {resource.discovery.title or 'an API'}"),
        description=escape(resource.description),
        about=_ABOUT.format(page=escape(resource.page)) if resource.page else "",
        message=escape(message),
        method=call.method,
        url=escape(resource.url),
        ways="".join(
            _WAY.format(
                limit="at most " if one.scheme == UPTO else "",
                price=shown_dollars(one.amount_micros),
                asset_name=escape(f"{name}, " if (name := token_name(one)) else ""),
                asset=escape(one.asset),
                network=escape(network_name_v1(one.network) or one.network),
                method=", approved for Permit2" if one.is_permit2 else "",
                pay_to=escape(one.pay_to),
            )
            for one in accepts
        ),
        code="".join(
            _CODE.format(title=escape(one.title, quote=False), name=one.name, text=escape(one.text))
            for one in code_samples(call, accepts)
        ),
    )


def token_name(one: PaymentRequirements) -> str:
    """Return the name of the token that a payment is made in; empty if it is not known."""
    token = known_token(one.network, one.asset)
    return str(one.extra.get("name") or (token.name if token else ""))


def shown_dollars(micros: int) -> str:
    """Return an amount in dollars, without a sign, with as many decimals as it needs, or two."""
    dollars, rest = divmod(micros, 1_000_000)
    return f"{dollars:,}.{f'{rest:06}'.rstrip('0'):0<2}"
