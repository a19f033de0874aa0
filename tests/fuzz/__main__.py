"""`REQUESTS=N SEED=S python -m tests.fuzz`: fuzzes the API with at least N requests.

It starts a dispatcher that accepts payments and has traffic, on a free port of this machine.
`make fuzz` passes its variables in the environment.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from dev.economy import running_economy
from dev.launch import running_dispatcher
from tests.e2e import marketplace
from tests.e2e.fault_proxy import running_fault_proxy
from tests.e2e.paid_dispatcher import open_paid_dispatcher, priced_directory

from .campaign import Target, run_rounds, target_at
from .traffic import make_traffic

REQUESTS = 2_000
EXAMPLES = 60
TOKEN = "token-of-the-fuzzer"


def main() -> int:
    """Run rounds and print their results; return 1 if a round found a failure."""
    requests = int(os.environ.get("REQUESTS") or REQUESTS)
    seed = int(os.environ.get("SEED") or time.time())
    with tempfile.TemporaryDirectory() as name:
        return fuzz(Path(name), requests, seed)


def fuzz(folder: Path, requests: int, seed: int) -> int:
    """Start a dispatcher with its state in `folder`, and fuzz it."""
    namespace = marketplace.make_namespace(folder / "namespace")
    state = folder / "state"
    with running_economy() as economy, running_fault_proxy(economy.facilitator_url) as proxy:
        variables = {
            **economy.settings(),
            "FACILITATOR_URL": proxy.url,
            "PLATFORM_ANALYTICS_TOKEN": TOKEN,
        }
        tenants = json.dumps(priced_directory())
        with (
            running_dispatcher(
                state=state, tenants=tenants, namespace=namespace, variables=variables
            ) as server,
            open_paid_dispatcher(server, economy, proxy, state, TOKEN) as paid_dispatcher,
        ):
            make_traffic(paid_dispatcher)
            return run_and_print(target_at(server.url, TOKEN), folder, requests, seed)


def run_and_print(target: Target, folder: Path, requests: int, seed: int) -> int:
    """Run rounds and print their results."""
    responses: Counter[str] = Counter()
    failed = cases = 0
    started = time.monotonic()
    for one in run_rounds(target, folder, requests, seed, EXAMPLES):
        responses += one.responses
        cases += one.cases
        failed += not one.passed
        result = "no failures" if one.passed else f"{one.failures} different failures"
        print(f"seed {one.seed}: {one.requests} requests, {one.cases} cases, {result}", flush=True)
        if not one.passed:
            print(one.output, flush=True)
    for name, count in sorted(responses.items()):
        print(f"  {name}: {count}")
    seconds = time.monotonic() - started
    print(
        f"{responses.total()} requests, {cases} cases in {seconds:.0f} s, {failed} rounds failed."
    )
    return 1 if failed or responses.total() < requests else 0


if __name__ == "__main__":
    sys.exit(main())
