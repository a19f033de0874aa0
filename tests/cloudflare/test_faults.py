"""Injected failures look to clients like those of the real API."""

import cloudflare
import pytest

from . import faults
from .fake_account import ACCOUNT, FakeAccount
from .faults import Fault

KV = f"/accounts/{ACCOUNT}/storage/kv/namespaces"


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (faults.UNAUTHORIZED, cloudflare.AuthenticationError),
        (faults.INVALID_TOKEN, cloudflare.AuthenticationError),
        (faults.FORBIDDEN, cloudflare.PermissionDeniedError),
        (faults.NOT_FOUND, cloudflare.NotFoundError),
        (faults.CONFLICT, cloudflare.ConflictError),
        (faults.RATE_LIMITED, cloudflare.RateLimitError),
        (faults.INTERNAL, cloudflare.InternalServerError),
        (faults.BAD_GATEWAY, cloudflare.InternalServerError),
        (faults.UNAVAILABLE, cloudflare.InternalServerError),
        (faults.TOO_MANY_SCRIPTS, cloudflare.PermissionDeniedError),
        (faults.TOO_LARGE, cloudflare.APIStatusError),
        (faults.TOO_MANY_CRONS, cloudflare.PermissionDeniedError),
        (faults.NO_DISPATCH_NAMESPACES, cloudflare.PermissionDeniedError),
        (faults.TOO_MANY_KV_WRITES, cloudflare.RateLimitError),
        (faults.TOO_MANY_DATABASES, cloudflare.BadRequestError),
        (faults.CUT, cloudflare.APIConnectionError),
    ],
)
def test_a_request_fails_once(
    account: FakeAccount,
    client: cloudflare.Cloudflare,
    fault: Fault,
    raised: type[cloudflare.APIError],
) -> None:
    account.fail("GET", "*/namespaces", fault)
    with pytest.raises(raised):
        client.kv.namespaces.list(account_id=ACCOUNT)
    assert list(client.kv.namespaces.list(account_id=ACCOUNT)) == []


def test_a_request_without_response_times_out_and_takes_effect(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    account.fail("POST", KV, faults.TIMED_OUT)
    impatient = client.with_options(timeout=0.5)
    with pytest.raises(cloudflare.APITimeoutError):
        impatient.kv.namespaces.create(account_id=ACCOUNT, title="late")
    assert [one.title for one in client.kv.namespaces.list(account_id=ACCOUNT)] == ["late"]


def test_a_request_whose_connection_is_cut_takes_effect(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    account.fail("POST", KV, faults.CUT)
    with pytest.raises(cloudflare.APIConnectionError):
        client.kv.namespaces.create(account_id=ACCOUNT, title="cut")
    assert [one.title for one in client.kv.namespaces.list(account_id=ACCOUNT)] == ["cut"]


def test_rules_select_by_method_path_and_number(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    account.fail("*", "*/d1/*", faults.INTERNAL, first=2, times=2)
    failed = []
    for _ in range(4):
        try:
            client.d1.database.list(account_id=ACCOUNT)
        except cloudflare.InternalServerError:
            failed.append(True)
        else:
            failed.append(False)
    assert failed == [False, True, True, False]
    assert list(client.kv.namespaces.list(account_id=ACCOUNT)) == []


def test_the_sdk_retries_after_a_rate_limit(
    account: FakeAccount, client: cloudflare.Cloudflare
) -> None:
    account.fail("GET", KV, faults.RATE_LIMITED)
    assert list(client.with_options(max_retries=1).kv.namespaces.list(account_id=ACCOUNT)) == []
    assert [one.status for one in account.requests] == [429, 200]
