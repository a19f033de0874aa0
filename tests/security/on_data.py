"""Attacks through data in directory records and settings, and through cached responses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from core.constants import RECORD_LENGTH_MAX
from core.errors import ConfigurationError, RecordRefused
from core.ports import ProxyResponse, Response
from core.safe_json import DEPTH_MAX, read_json
from payments.facilitator_settings import facilitator_urls
from tenants.directory import TenantDirectory
from tenants.records import parse_tenant
from tests.security.guard import Guard
from tests.support.fakes import FakeClock, FakeEnvironment, FakeStore
from tests.support.payment_scene import Market
from tests.support.platform_scene import Scene

MINIMAL_RECORD = {"slug": "a", "tenantId": "t", "workerName": "w"}
SCRIPT = "<script>alert(1)</script>"


def split_the_response_by_a_tenant_id() -> bool:
    return _is_accepted({**MINIMAL_RECORD, "tenantId": "t\r\nset-cookie: a=b"})


def reverse_the_text_around_an_owners_name() -> bool:
    return _is_accepted({**MINIMAL_RECORD, "owner": "@ecila\u202e"})


def break_the_log_with_a_lone_surrogate() -> bool:
    return _is_accepted({**MINIMAL_RECORD, "owner": "\ud800"})


def keep_an_isolate_busy_with_a_huge_record() -> bool:
    record = json.dumps({**MINIMAL_RECORD, "hosts": ["h" * 60] * (RECORD_LENGTH_MAX // 60)})
    store = FakeStore(values={"tenant/a": (record, {})})
    directory = TenantDirectory(FakeClock(), store, None)
    return "longer than" not in str(asyncio.run(directory.read_all()).refused)


def serve_a_host_that_the_record_does_not_name() -> bool:
    record = json.dumps({**MINIMAL_RECORD, "hosts": ["a.example"]})
    values: dict[str, tuple[str, Any]] = {
        "tenant/a": (record, {}),
        "host/victim.example": ("a", {}),
    }
    directory = TenantDirectory(FakeClock(), FakeStore(values=values), None)
    return asyncio.run(directory.by_host("victim.example")) is not None


def crash_the_isolate_by_deep_nesting() -> bool:
    try:
        read_json("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1))
    except ValueError:
        return False
    return True


def run_a_script_in_the_payment_page() -> bool:
    market = Market()
    market.tenants[0] = {**market.tenants[0], "description": SCRIPT}
    market.start()
    response = market.call(headers={"accept": "text/html", "user-agent": "Mozilla/5.0"})
    assert isinstance(response, Response)
    return SCRIPT in response.body


def load_anything_in_the_payment_page() -> bool:
    response = Market().call(headers={"accept": "text/html", "user-agent": "Mozilla/5.0"})
    assert isinstance(response, Response)
    policy = dict(response.headers).get("content-security-policy", "")
    return "default-src 'none'" not in policy


def get_what_another_paid_for_from_a_shared_cache() -> bool:
    market = Market()
    response = market.call(headers=market.payment())
    assert isinstance(response, ProxyResponse)
    return dict(response.set_headers).get("cache-control") != "no-store"


def get_private_analytics_from_a_shared_cache() -> bool:
    return "private" not in dict(_analytics().headers)["cache-control"]


def get_analytics_cached_for_another_token() -> bool:
    return "Authorization" not in dict(_analytics().headers).get("vary", "")


def read_a_facilitators_password_in_the_log() -> bool:
    url = "https://user:hunter2@facilitator.example"
    try:
        facilitator_urls(FakeEnvironment(settings={"FACILITATOR_URL": url}))
    except ConfigurationError as error:
        return "hunter2" in error.message
    return True


def _is_accepted(record: dict[str, Any]) -> bool:
    try:
        parse_tenant(record, "record")
    except RecordRefused:
        return False
    return True


def _analytics() -> Response:
    return Scene().request("/__platform/analytics", "?window=today")


_TEXT = ("tenants.fields", "RecordFields.text", " or UNPRINTABLE.search(value)", "")
_PAGE = ("gateway.error_handling", "_page")

ON_DATA = (
    Guard(
        split_the_response_by_a_tenant_id,
        "tenants.fields",
        "RecordFields.matching",
        "pattern.fullmatch(value)",
        "pattern.match(value)",
    ),
    Guard(reverse_the_text_around_an_owners_name, *_TEXT),
    Guard(break_the_log_with_a_lone_surrogate, *_TEXT),
    Guard(
        keep_an_isolate_busy_with_a_huge_record,
        "tenants.directory",
        "parse_stored",
        "if len(value) > constants.RECORD_LENGTH_MAX:",
        "if False:",
    ),
    Guard(
        serve_a_host_that_the_record_does_not_name,
        "tenants.directory",
        "TenantDirectory._stored_by_host",
        " and name in tenant.hosts",
        "",
    ),
    Guard(
        crash_the_isolate_by_deep_nesting,
        "core.safe_json",
        "read_json",
        "too_deep_at(text) is not None",
        "False",
    ),
    Guard(
        get_what_another_paid_for_from_a_shared_cache,
        "gateway.proxy_response",
        "proxy_response",
        ', ("cache-control", "no-store")',
        "",
    ),
    Guard(
        run_a_script_in_the_payment_page,
        "payments.pages.payment_page",
        "payment_page",
        "escape(resource.description)",
        "resource.description",
    ),
    Guard(
        load_anything_in_the_payment_page,
        *_PAGE,
        "_PAGE_POLICY",
        '"default-src *"',
    ),
    Guard(
        get_private_analytics_from_a_shared_cache,
        "api.platform",
        "analytics_response",
        '"public" if is_public else "private"',
        '"public"',
    ),
    Guard(
        get_analytics_cached_for_another_token,
        "api.platform",
        "analytics_response",
        '("vary", VARY_ON_TOKEN),',
        "",
    ),
    Guard(
        read_a_facilitators_password_in_the_log,
        "payments.facilitator_settings",
        "_read_urls",
        "if not urls or not all(_is_url(url) for url in urls):",
        "if not urls:",
    ),
)
