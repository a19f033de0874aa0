"""Attacks through requests: forged headers, disclosed secrets, oversized input."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from api.spec import query_pairs
from core.constants import HEADERS_LENGTH_MAX, URL_LENGTH_MAX
from core.errors import InvalidParameter, TenantWorkerFailure
from core.logs import JsonFormatter
from core.ports import ProxyResponse, Response
from core.responses import SECURITY_HEADERS
from gateway.request_context import replaced_headers
from tests.security.guard import Guard
from tests.support.dispatcher_scene import Scene, error
from tests.support.fakes import FakeEnvironment, FakeNamespace, FakeUpstreamResponse, tenant_error


def impersonate_a_caller_by_forged_headers() -> bool:
    scene = Scene()
    scene.request("/t/weather", headers={"x-clawr-payer": "0xvictim", "x-tenant-id": "t2"})
    return not {"x-clawr-payer", "x-tenant-id"} <= set(scene.sent[0].remove_headers)


def collect_the_platform_token_in_a_script() -> bool:
    scene = Scene()
    scene.request("/t/weather", headers={"x-platform-token": "secret"})
    return "x-platform-token" not in scene.sent[0].remove_headers


def forge_the_prefix_of_a_script() -> bool:
    scene = Scene()
    scene.request("http://fx.example/x", headers={"x-forwarded-prefix": "//evil.example"})
    return "x-forwarded-prefix" not in scene.sent[0].remove_headers


def forge_a_header_with_underscores() -> bool:
    scene = Scene()
    scene.request("/t/weather", headers={"x_clawr_payer": "0xvictim"})
    return "x_clawr_payer" not in scene.sent[0].remove_headers


def forge_the_dispatchers_headers_in_a_script() -> bool:
    names = ("x-request-id", "x-tenant-id", "x-clawr-charged")
    environment = FakeEnvironment(namespace=FakeNamespace(FakeUpstreamResponse(200, names)))
    response = Scene(environment=environment).request("/t/weather")
    assert isinstance(response, ProxyResponse)
    return not set(names) <= set(response.remove_headers)


def forge_a_receipt_in_a_priced_script() -> bool:
    return "payment-response" not in replaced_headers(("payment-response",))


def take_over_a_shared_host_with_a_service_worker() -> bool:
    scene = Scene()
    return isinstance(
        scene.request("/t/weather", headers={"service-worker": "script"}), ProxyResponse
    )


def send_an_oversized_url_to_a_tenant() -> bool:
    return isinstance(Scene().request("/t/weather/" + "a" * URL_LENGTH_MAX), ProxyResponse)


def send_an_oversized_url_to_the_platform() -> bool:
    response = Scene().request("/__platform/ask?" + "a" * URL_LENGTH_MAX)
    return isinstance(response, Response) and response.status == 200


def send_oversized_headers() -> bool:
    headers = {"x": "a" * HEADERS_LENGTH_MAX}
    return isinstance(Scene().request("/t/weather", headers=headers), ProxyResponse)


def send_too_many_parameters() -> bool:
    try:
        return len(query_pairs("?" + "&".join(f"a{number}=1" for number in range(1_000)))) > 100
    except InvalidParameter:
        return False


def read_a_scripts_exception_in_an_error() -> bool:
    response = _failing_scene().request("/t/weather")
    return "hunter2" in str(error(response))


def find_a_callers_secrets_in_the_log() -> bool:
    secrets = {
        "authorization": "Bearer hunter2-token",
        "cookie": "theme=dark; session=hunter2-session",
        "payment-signature": "hunter2-payment",
        "cf-connecting-ip": "192.0.2.77",
    }
    return _logs_any_of(_failing_scene(secrets), secrets)


def find_a_callers_secrets_in_the_log_of_a_defect() -> bool:
    secrets = {"x-api-key": "hunter2-key"}
    defect = RuntimeError(f"a defect: {secrets}")
    scene = Scene(environment=FakeEnvironment(namespace=FakeNamespace(defect)))
    return _logs_any_of(scene, secrets)


def get_a_response_without_security_headers() -> bool:
    return _lacks_security_headers(Scene().request("/health"))


def get_an_error_without_security_headers() -> bool:
    return _lacks_security_headers(Scene().request("/nothing"))


def _failing_scene(secrets: Mapping[str, str] | None = None) -> Scene:
    failure = tenant_error(TenantWorkerFailure)
    failure.__cause__ = RuntimeError(f"hunter2 {dict(secrets or {})}?q=hunter2-query")
    return Scene(environment=FakeEnvironment(namespace=FakeNamespace(failure)))


def _logs_any_of(scene: Scene, secrets: Mapping[str, str]) -> bool:
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("gateway.error_handling")
    logger.addHandler(handler)
    try:
        scene.request("/t/weather?q=hunter2-query", headers=secrets)
    finally:
        logger.removeHandler(handler)
    assert logged
    text = "\n".join(logged)
    disclosed = ("hunter2-", *secrets.values())
    return any(secret in text for secret in disclosed)


def _lacks_security_headers(response: Response | ProxyResponse) -> bool:
    assert isinstance(response, Response)
    return not {name for name, _ in SECURITY_HEADERS} <= {name for name, _ in response.headers}


_REMOVED = ("gateway.request_context", "removed_from_request")

ON_REQUESTS = (
    Guard(
        impersonate_a_caller_by_forged_headers,
        "gateway.dispatcher",
        "Dispatcher._dispatch",
        "removed_from_request(request.headers, is_priced=is_paid)",
        "()",
    ),
    Guard(
        collect_the_platform_token_in_a_script,
        *_REMOVED,
        "else _REMOVED",
        "else _REMOVED - {PLATFORM_TOKEN_HEADER}",
    ),
    Guard(
        forge_the_prefix_of_a_script,
        *_REMOVED,
        "else _REMOVED",
        "else _RESERVED",
    ),
    Guard(
        forge_a_header_with_underscores,
        *_REMOVED,
        'name.replace("_", "-")',
        "name",
    ),
    Guard(
        forge_the_dispatchers_headers_in_a_script,
        "gateway.proxy_response",
        "proxy_response",
        "reserved_headers(names)",
        "()",
    ),
    Guard(
        forge_a_receipt_in_a_priced_script,
        "gateway.request_context",
        "replaced_headers",
        "name in _RESERVED_IF_PRICED",
        "name in _RESERVED",
    ),
    Guard(
        take_over_a_shared_host_with_a_service_worker,
        "gateway.urls",
        "check_shared_host",
        "if _SERVICE_WORKER_HEADER in request.headers:",
        "if False:",
    ),
    Guard(
        send_an_oversized_url_to_a_tenant,
        "gateway.dispatcher",
        "Dispatcher._find_tenant",
        "check_size(context.request)",
        "pass",
    ),
    Guard(
        send_an_oversized_url_to_the_platform,
        "gateway.dispatcher",
        "Dispatcher._serve_platform",
        "check_size(request)",
        "pass",
    ),
    Guard(
        send_oversized_headers,
        "gateway.urls",
        "check_size",
        "if length > constants.HEADERS_LENGTH_MAX:",
        "if False:",
    ),
    Guard(
        send_too_many_parameters,
        "api.spec",
        "query_pairs",
        ", max_num_fields=PARAMETERS_MAX",
        "",
    ),
    Guard(
        read_a_scripts_exception_in_an_error,
        "gateway.error_handling",
        "error_response",
        '"message": error.message',
        '"message": f"{error.message} {error.__cause__}"',
    ),
    Guard(
        find_a_callers_secrets_in_the_log,
        "gateway.error_handling",
        "_shown",
        "redacted(cause, request, key_headers)",
        "cause",
    ),
    Guard(
        find_a_callers_secrets_in_the_log_of_a_defect,
        "core.logs",
        "JsonFormatter.format",
        '{"type": kind.__qualname__',
        '{"type": repr(record.exc_info[1])',
    ),
    Guard(
        get_a_response_without_security_headers,
        "gateway.dispatcher",
        "Dispatcher.handle",
        "with_security_headers(response) if",
        "response if",
    ),
    Guard(
        get_an_error_without_security_headers,
        "gateway.dispatcher",
        "Dispatcher.handle",
        "with_security_headers(response) if",
        "response if",
    ),
)
