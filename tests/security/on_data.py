"""Attacks by data: what stands in directory records, and what comes back out of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from core.constants import RECORD_LENGTH_MAX
from core.errors import ConfigurationError, RecordRefused
from core.ports import Response
from core.safe_json import DEPTH_MAX, read_json
from payments.requirements import facilitator_urls
from tenants.directory import TenantDirectory
from tenants.records import parse_tenant
from tests.security.guard import Guard
from tests.support.fakes import FakeClock, FakeEnvironment, FakeStore
from tests.support.payment_scene import Market
from tests.support.platform_scene import Scene

LEAST = {"slug": "a", "tenantId": "t", "workerName": "w"}
SCRIPT = "<script>alert(1)</script>"


def split_the_answer_by_a_tenants_id() -> bool:
    return _is_taken({**LEAST, "tenantId": "t\r\nset-cookie: a=b"})


def turn_the_text_around_an_owners_name() -> bool:
    return _is_taken({**LEAST, "owner": "@ecila\u202e"})


def stop_the_log_with_half_a_character() -> bool:
    return _is_taken({**LEAST, "owner": "\ud800"})


def keep_an_isolate_busy_with_a_huge_record() -> bool:
    record = json.dumps({**LEAST, "hosts": ["h" * 60] * (RECORD_LENGTH_MAX // 60)})
    store = FakeStore(values={"tenant/a": (record, {})})
    directory = TenantDirectory(FakeClock(), store, None)
    return "longer than" not in str(asyncio.run(directory.read_all()).refused)


def answer_at_a_host_that_the_record_does_not_name() -> bool:
    record = json.dumps({**LEAST, "hosts": ["a.example"]})
    values: dict[str, tuple[str, Any]] = {
        "tenant/a": (record, {}),
        "host/victim.example": ("a", {}),
    }
    directory = TenantDirectory(FakeClock(), FakeStore(values=values), None)
    return asyncio.run(directory.by_host("victim.example")) is not None


def end_the_isolate_by_deep_nesting() -> bool:
    try:
        read_json("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1))
    except ValueError:
        return False
    return True


def run_a_script_in_the_page_of_an_offer() -> bool:
    market = Market()
    market.tenants[0] = {**market.tenants[0], "description": SCRIPT}
    market.start()
    answer = market.call(headers={"accept": "text/html"})
    assert isinstance(answer, Response)
    return SCRIPT in answer.body


def run_anything_in_the_page_of_an_offer() -> bool:
    answer = Market().call(headers={"accept": "text/html"})
    assert isinstance(answer, Response)
    policy = dict(answer.headers).get("content-security-policy", "")
    return "default-src 'none'" not in policy


def have_private_figures_kept_by_a_shared_cache() -> bool:
    return "private" not in dict(_analytics().headers)["cache-control"]


def be_given_the_figures_that_somebody_with_a_token_was_given() -> bool:
    return "Authorization" not in dict(_analytics().headers).get("vary", "")


def read_a_facilitators_password_in_the_log() -> bool:
    url = "https://user:hunter2@facilitator.example"
    try:
        facilitator_urls(FakeEnvironment(settings={"FACILITATOR_URL": url}))
    except ConfigurationError as error:
        return "hunter2" in error.message
    return True


def _is_taken(record: dict[str, Any]) -> bool:
    try:
        parse_tenant(record, "record")
    except RecordRefused:
        return False
    return True


def _analytics() -> Response:
    return Scene().request("/__platform/analytics", "?window=today")


_TEXT = ("tenants.fields", "RecordFields.text", " or _CONTROL.search(value)", "")
_PAGE = ("gateway.error_handling", "_page")

ON_DATA = (
    Guard(
        split_the_answer_by_a_tenants_id,
        "tenants.fields",
        "RecordFields.matching",
        "pattern.fullmatch(value)",
        "pattern.match(value)",
    ),
    Guard(turn_the_text_around_an_owners_name, *_TEXT),
    Guard(stop_the_log_with_half_a_character, *_TEXT),
    Guard(
        keep_an_isolate_busy_with_a_huge_record,
        "tenants.directory",
        "_parse_stored",
        "if len(value) > constants.RECORD_LENGTH_MAX:",
        "if False:",
    ),
    Guard(
        answer_at_a_host_that_the_record_does_not_name,
        "tenants.directory",
        "TenantDirectory._stored_by_host",
        " and name in tenant.hosts",
        "",
    ),
    Guard(
        end_the_isolate_by_deep_nesting,
        "core.safe_json",
        "read_json",
        "too_deep_at(text) is not None",
        "False",
    ),
    Guard(
        run_a_script_in_the_page_of_an_offer,
        "payments.responses",
        "payment_page",
        "escape(resource.description)",
        "resource.description",
    ),
    Guard(
        run_anything_in_the_page_of_an_offer,
        *_PAGE,
        "_PAGE_POLICY",
        '"default-src *"',
    ),
    Guard(
        have_private_figures_kept_by_a_shared_cache,
        "api.platform",
        "analytics_response",
        '"public" if is_public else "private"',
        '"public"',
    ),
    Guard(
        be_given_the_figures_that_somebody_with_a_token_was_given,
        "api.platform",
        "analytics_response",
        '("vary", VARY_ON_TOKEN),',
        "",
    ),
    Guard(
        read_a_facilitators_password_in_the_log,
        "payments.requirements",
        "facilitator_urls",
        "if any(_WITH_SECRET.search(url) for url in urls):",
        "if False:",
    ),
)
