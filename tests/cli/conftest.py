"""What tests of the command share: an account to deploy to, and a market to publish in."""

from collections.abc import Iterator

import pytest

from tests.cloudflare.stand_in import StandIn


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """An account of Cloudflare's, empty, which fails the test that sends it nonsense.

    `.settings` are the environment variables that lead there, `.requests` is what it was sent,
    `.fail(…)` makes it fail.
    """
    with StandIn().running() as stand_in:
        yield stand_in
    assert not stand_in.record.wrong, "\n".join(stand_in.record.wrong)
