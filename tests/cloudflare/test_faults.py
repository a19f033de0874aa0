"""The stand-in fails as it is told to, and as clients of the real API see it fail."""

import cloudflare
import pytest

from . import faults
from .faults import Fault
from .stand_in import ACCOUNT, StandIn

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
def test_a_request_fails_once_and_then_no_more(
    account: StandIn,
    client: cloudflare.Cloudflare,
    fault: Fault,
    raised: type[cloudflare.APIError],
) -> None:
    account.fail("GET", "*/namespaces", fault)
    with pytest.raises(raised):
        client.kv.namespaces.list(account_id=ACCOUNT)
    assert list(client.kv.namespaces.list(account_id=ACCOUNT)) == []


def test_an_answer_that_never_comes_is_a_time_out_and_what_was_asked_for_is_done(
    account: StandIn, client: cloudflare.Cloudflare
) -> None:
    account.fail("POST", KV, faults.TIMED_OUT)
    impatient = client.with_options(timeout=0.5)
    with pytest.raises(cloudflare.APITimeoutError):
        impatient.kv.namespaces.create(account_id=ACCOUNT, title="late")
    assert [one.title for one in client.kv.namespaces.list(account_id=ACCOUNT)] == ["late"]


def test_a_cut_connection_leaves_what_was_asked_for_done(
    account: StandIn, client: cloudflare.Cloudflare
) -> None:
    account.fail("POST", KV, faults.CUT)
    with pytest.raises(cloudflare.APIConnectionError):
        client.kv.namespaces.create(account_id=ACCOUNT, title="cut")
    assert [one.title for one in client.kv.namespaces.list(account_id=ACCOUNT)] == ["cut"]


def test_rules_choose_by_method_path_and_number(
    account: StandIn, client: cloudflare.Cloudflare
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


def test_the_sdk_waits_as_long_as_a_rate_limit_says_and_repeats(
    account: StandIn, client: cloudflare.Cloudflare
) -> None:
    account.fail("GET", KV, faults.RATE_LIMITED)
    assert list(client.with_options(max_retries=1).kv.namespaces.list(account_id=ACCOUNT)) == []
    assert [one.status for one in account.requests] == [429, 200]
