"""The page of one API as HTML: what its record says, how it is called, and what it costs.

Everything that comes from a record is hostile until it is escaped. The text works without scripts;
they add the use of the API, a form to try it, and buttons to copy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import quote, urlencode

from api.explore.operations import Operation, Parameter, operations_of, shown_json
from api.explore.structured_data import structured_data
from core.errors import ConfigurationError
from core.ports import Environment, Json
from metering.totals import DEFAULT_DIRECTORY
from payments.pages.code_samples import CodeSample, code_samples
from payments.pages.payment_page import shown_dollars, token_name
from payments.requirements import PaymentRequirements, requirements_for
from snapshots.ranking import shown_owner
from tenants.networks import network_name_v1
from tenants.pricing import UPTO
from tenants.records import Tenant

_OPERATIONS_MAX = 20
"""Operations with parameters and code; of others, the page has the price."""

_EXAMPLE_LENGTH_MAX = 4_000
_SUMMARY_LENGTH_MAX = 200

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · clawr</title>
<meta name="description" content="{summary}">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" media="(prefers-color-scheme: light)" content="#f7f5f1">
<meta name="theme-color" media="(prefers-color-scheme: dark)" content="#131210">
{head}<link rel="icon" href="/explore/icon.svg" type="image/svg+xml">
<script src="/explore/early.js"></script>
<link rel="stylesheet" href="/explore/base.css">
<link rel="stylesheet" href="/explore/figures.css">
<link rel="stylesheet" href="/explore/course.css">
<link rel="stylesheet" href="/explore/api.css">
<link rel="stylesheet" href="/explore/use.css">
{scripts}</head>
<body data-figures="text">
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><div class="wide top-row">
<a class="brand" href="/explore" aria-label="clawr, explore"><img src="/explore/icon.svg" alt=""
 width="28" height="28"><span>clawr</span></a>
<a class="back" href="/explore">All APIs</a>
<button class="theme" id="theme" type="button" aria-label="Use dark colours" hidden><svg
 viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path
 d="M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9Z" /></svg></button>
</div></header>
<main id="main" class="wide" tabindex="-1">
{main}</main>
<footer class="wide bottom"><p>All times are UTC.</p>
<p><a href="/explore/about/ranking">Definitions and ranking</a> · <a
 href="/explore">All APIs</a></p></footer>
</body>
</html>
"""
_SCRIPTS = """<script type="module" src="/explore/api.js"></script>
"""
_CARD = """<link rel="canonical" href="{url}">
<meta property="og:type" content="website">
<meta property="og:site_name" content="clawr">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{summary}">
<meta property="og:url" content="{url}">
<meta property="og:image" content="{origin}/explore/card.png">
<meta property="og:image:width" content="1200">
<meta property="og:image:height" content="630">
<meta property="og:image:alt" content="clawr: APIs that agents call and pay by the request">
<meta name="twitter:card" content="summary_large_image">
<script type="application/ld+json">{data}</script>
"""
_MAIN = """<div class="intro api-intro">
<div><h1 dir="auto">{title}</h1>
<p class="lead" dir="auto">{description}</p>
<p class="about"><a href="/explore?{by_owner}" rel="author"><bdi>{owner}</bdi></a>
<a href="/explore?{by_category}"><bdi>{category}</bdi></a>{tags}</p></div>
<p class="tag-price"><strong>{price}</strong> {unit}</p>
</div>
<div class="notice" id="notice" role="status"></div>
<section class="card use" id="use" aria-labelledby="use-title" data-slug="{slug}" hidden>
<h2 id="use-title">Use</h2></section>
<noscript><p class="quiet">The use of this API over time needs JavaScript; it is also at <a
 href="{data}">{data}</a>.</p></noscript>
<div class="halves">
<section class="card" aria-labelledby="calling-title"><h2 id="calling-title">How to call it</h2>
<p class="address"><span class="quiet">Address</span> <code>{address}</code></p>
{hosts}{operations}</section>
<section class="card" aria-labelledby="price-title"><h2 id="price-title">Price</h2>
<div class="scroller" tabindex="0" role="region" aria-label="Price of each request">
<table class="prices"><caption class="unseen">The price of each request</caption>
<thead><tr><th scope="col">Request</th><th scope="col">Price</th></tr></thead>
<tbody>{prices}</tbody></table></div>
{ways}{terms}</section>
</div>
<script type="application/json" id="operations">{block}</script>
"""
_OPERATION = """<details class="operation"{is_open}>
<summary><span class="methods">{methods}</span> <code>{path}</code>
<span class="price">{price}</span></summary>
{parameters}{body}{samples}{response}</details>
"""
_PARAMETERS = """<h3>Parameters</h3>
<div class="scroller" tabindex="0" role="region" aria-label="Parameters of {name}">
<table class="parameters"><thead><tr><th scope="col">Name</th><th scope="col">Type</th>
<th scope="col">Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>
"""
_EXAMPLE = """<h3>{title}</h3>
<pre class="example" tabindex="0" role="region" aria-label="{title} of {name}">\
<code>{text}</code></pre>
"""
_SAMPLE = """<details class="sample"{is_open}><summary>{title}</summary>
<pre tabindex="0" role="region" aria-label="{title}, {operation}">\
<code class="{name}">{text}</code></pre></details>
"""
_WAY = """<li><b>{token}</b> on {network}{scheme}
<span class="quiet">paid to</span> <code>{pay_to}</code></li>
"""
_NOT_FOUND = """<div class="intro"><h1>{heading}</h1><p>{text}</p></div>
<p><a class="button" href="/explore">See all APIs</a></p>
"""


def api_page(tenant: Tenant, environment: Environment, origin: str) -> str:
    """Render the page of an API that is published at `origin`."""
    operations = operations_of(tenant)
    title = tenant.discovery.title or tenant.slug
    summary = tenant.description or f"The API {tenant.slug}."
    owner, category = shown_owner(tenant.owner), tenant.directory or DEFAULT_DIRECTORY
    prices = _prices(operations)
    price, unit = _price_range(*prices)
    ways = _ways(operations, environment)
    detailed = [one for one in operations if one.is_described][:_OPERATIONS_MAX]
    page = f"{origin}/explore/{tenant.slug}"
    card = _CARD.format(
        title=escape(title),
        summary=escape(_cut(f"{summary} {price} {unit}.")),
        url=escape(page),
        origin=escape(origin),
        data=_data_block(structured_data(tenant, f"{origin}{tenant.prefix}", page, *prices)),
    )
    main = _MAIN.format(
        title=escape(title),
        description=escape(summary),
        owner=escape(owner),
        by_owner=escape(urlencode({"owner": owner})),
        category=escape(category),
        by_category=escape(urlencode({"category": category})),
        tags="".join(
            f' <span class="chip"><bdi>{escape(tag)}</bdi></span>' for tag in tenant.discovery.tags
        ),
        price=price,
        unit=unit,
        slug=tenant.slug,
        data=f"/api/explore/usage?api={quote(tenant.slug)}",
        address=escape(f"{origin}{tenant.prefix}"),
        hosts=_hosts(tenant),
        operations="".join(
            _operation(one, environment, origin, is_open=one is detailed[0]) for one in detailed
        ),
        prices="".join(map(_price_row, operations)),
        ways=ways,
        terms=_terms(tenant),
        block=_data_block([_for_form(one, origin) for one in detailed]),
    )
    return _PAGE.format(
        title=escape(title), summary=escape(_cut(summary)), head=card, scripts=_SCRIPTS, main=main
    )


def missing_page(slug: str, calls: int | None) -> str:
    """Render the page for a slug that has no API; `calls` is None unless it had one."""
    name = escape(slug)
    if calls is None:
        heading = "There is no such API"
        text = f"No API is published as <code>{name}</code>. Its address may be mistyped."
    else:
        heading = "This API was withdrawn"
        made = "was called once" if calls == 1 else f"was called {calls:,} times"
        text = (
            f"<code>{name}</code> is not published any more, so requests to it get 404. It {made}"
            " before; those calls still count in the totals."
        )
    return _PAGE.format(
        title=heading,
        summary=heading,
        head='<meta name="robots" content="noindex">\n',
        scripts=_SCRIPTS,
        main=_NOT_FOUND.format(heading=heading, text=text),
    )


def _operation(
    operation: Operation, environment: Environment, origin: str, *, is_open: bool
) -> str:
    name = escape(f"{operation.method} {operation.path}")
    call, discovery = operation.call(origin), operation.tenant.discovery
    accepts = _accepts_of(operation.tenant, environment)
    samples = code_samples(call, accepts or ())
    parameters = operation.parameters()
    body = "" if call.body is None or discovery.input_example is None else call.body
    response = discovery.output_example
    return _OPERATION.format(
        is_open=" open" if is_open else "",
        methods=escape(" ".join(operation.methods)),
        path=_shown_path(operation),
        price=_price(operation.tenant),
        parameters=_PARAMETERS.format(name=name, rows="".join(map(_parameter_row, parameters)))
        if parameters
        else "",
        body=_example("Example body", name, discovery.input_example) if body else "",
        samples=f'<h3>Code</h3>\n<div class="samples">{_samples(samples, name)}</div>\n',
        response="" if response is None else _example("Example response", name, response),
    )


def _samples(samples: Sequence[CodeSample], operation: str) -> str:
    return "".join(
        _SAMPLE.format(
            is_open=" open" if index == 0 else "",
            title=escape(sample.title),
            operation=operation,
            name=sample.name,
            text=escape(sample.text),
        )
        for index, sample in enumerate(samples)
    )


def _example(title: str, name: str, value: Json) -> str:
    text = shown_json(value)
    cut = text if len(text) <= _EXAMPLE_LENGTH_MAX else text[:_EXAMPLE_LENGTH_MAX] + "…"
    return _EXAMPLE.format(title=title, name=name, text=escape(cut))


def _parameter_row(parameter: Parameter) -> str:
    place = "" if parameter.place == "query" else f", in the {parameter.place}"
    meaning = f"{escape(parameter.description)} " if parameter.description else ""
    if parameter.example:
        meaning += f'<span class="quiet">such as</span> <code>{escape(parameter.example)}</code>'
    required = '<br><span class="required">required</span>' if parameter.is_required else ""
    return (
        f'<tr><th scope="row"><code>{escape(parameter.name)}</code>{required}</th>'
        f'<td>{escape(parameter.kind)}{place}</td><td dir="auto">{meaning}</td></tr>'
    )


def _price_row(operation: Operation) -> str:
    methods = escape(" ".join(operation.methods))
    return (
        f'<tr><th scope="row"><span class="methods">{methods}</span>'
        f" <code>{_shown_path(operation)}</code></th><td>{_price(operation.tenant)}</td></tr>"
    )


def _shown_path(operation: Operation) -> str:
    if operation.tenant.route is None:
        return "any path" if not operation.tenant.routes else "any other path"
    return escape(operation.path)


def _price(tenant: Tenant) -> str:
    if not tenant.is_priced:
        return "Free"
    limit = "up to " if any(option.scheme == UPTO for option in tenant.accepts) else ""
    return f"{limit}${shown_dollars(tenant.price_micros)}"


def _prices(operations: Iterable[Operation]) -> tuple[int, int]:
    """Return the lowest and the highest price of all, in micro-dollars."""
    tenants = [operation.tenant for operation in operations]
    prices = [tenant.price_micros if tenant.is_priced else 0 for tenant in tenants]
    return min(prices), max(prices)


def _price_range(lowest: int, highest: int) -> tuple[str, str]:
    """Return prices in micro-dollars as shown, and what they are for."""
    if highest == 0:
        return "Free", "no account, no payment"
    shown = f"${shown_dollars(highest)}"
    if lowest == highest:
        return shown, "per request"
    first = f"${shown_dollars(lowest)}" if lowest else "Free"
    return f"{first} to {shown}", "per request"


def _ways(operations: Iterable[Operation], environment: Environment) -> str:
    """Return the ways to pay of all operations, each once."""
    priced = [one.tenant for one in operations if one.tenant.is_priced]
    if not priced:
        return "<p>It is free: no account and no payment.</p>\n"
    rows: dict[str, None] = {}
    for tenant in priced:
        accepts = _accepts_of(tenant, environment)
        if accepts is None:
            return '<p class="quiet">Payments are not configured here at the moment.</p>\n'
        rows |= dict.fromkeys(map(_way, accepts))
    return (
        '<h3>Ways to pay</h3>\n<ul class="ways">\n' + "".join(rows) + "</ul>\n"
        "<p>It is paid by the request with <a"
        ' href="https://www.x402.org" rel="noreferrer">x402</a>: a request without a payment gets'
        " 402, which says how to pay. Only what succeeds is charged.</p>\n"
    )


def _way(one: PaymentRequirements) -> str:
    scheme = ", at most the price" if one.scheme == UPTO else ""
    return _WAY.format(
        token=escape(token_name(one) or one.asset),
        network=escape(network_name_v1(one.network) or one.network),
        scheme=scheme,
        pay_to=escape(one.pay_to),
    )


def _accepts_of(tenant: Tenant, environment: Environment) -> Sequence[PaymentRequirements] | None:
    """Return the ways to pay; none if it is free, None if the deployment's settings lack some."""
    if not tenant.is_priced:
        return ()
    try:
        return requirements_for(environment, tenant)
    except ConfigurationError:
        return None


def _hosts(tenant: Tenant) -> str:
    if not tenant.hosts:
        return ""
    hosts = ", ".join(f"<code>{escape(host)}</code>" for host in tenant.hosts)
    return f'<p class="address"><span class="quiet">Also at</span> {hosts}</p>\n'


def _terms(tenant: Tenant) -> str:
    """Return the limits of the API that each caller meets."""
    rate, limits = tenant.rate_limit, []
    if rate is not None:
        limits.append(f"{rate.requests:,} requests in {rate.window_seconds} s for each caller")
    if not limits:
        return ""
    return f"<h3>Limits</h3>\n<p>{'; '.join(limits)}.</p>\n"


def _for_form(operation: Operation, origin: str) -> Mapping[str, Json]:
    """Return what the form to try an operation needs."""
    call = operation.call(origin)
    return {
        "name": f"{operation.method} {operation.path}",
        "method": operation.method,
        "prefix": operation.tenant.prefix,
        "path": operation.path,
        "isAnyPath": operation.is_any_path,
        "isFree": not operation.tenant.is_priced,
        "parameters": [one._asdict() for one in operation.parameters()],
        "body": call.body,
        "mediaType": call.media_type,
    }


def _data_block(value: Json) -> str:
    """Return JSON for a `script` element of data: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _cut(text: str) -> str:
    return text if len(text) <= _SUMMARY_LENGTH_MAX else text[: _SUMMARY_LENGTH_MAX - 1] + "…"
