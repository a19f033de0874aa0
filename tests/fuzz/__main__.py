"""`REQUESTS=N SEED=S python -m tests.fuzz`: tries the described API until N requests were answered.

It starts a dispatcher that takes payment, with traffic in it, on a free port of this machine.
`make fuzz` hands its variables on, so they are read from the environment.
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
from tests.e2e.market import open_market, priced_directory

from .campaign import Target, run_rounds, target_at
from .traffic import make_traffic

REQUESTS = 2_000
EXAMPLES = 60
TOKEN = "token-of-the-fuzzer"


def main() -> int:
    """Run rounds and print what they came to; 1 when one of them found something."""
    requests = int(os.environ.get("REQUESTS") or REQUESTS)
    seed = int(os.environ.get("SEED") or time.time())
    with tempfile.TemporaryDirectory() as name:
        return fuzz(Path(name), requests, seed)


def fuzz(folder: Path, requests: int, seed: int) -> int:
    """Start what is tried in `folder`, and try it."""
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
            open_market(server, economy, proxy, state, TOKEN) as market,
        ):
            make_traffic(market)
            return try_all(target_at(server.url, TOKEN), folder, requests, seed)


def try_all(target: Target, folder: Path, requests: int, seed: int) -> int:
    """Run rounds and print what they came to."""
    answers: Counter[str] = Counter()
    failed = cases = 0
    started = time.monotonic()
    for one in run_rounds(target, folder, requests, seed, EXAMPLES):
        answers += one.answers
        cases += one.cases
        failed += not one.passed
        verdict = "nothing found" if one.passed else f"{one.failures} different failures"
        print(f"seed {one.seed}: {one.requests} requests, {one.cases} cases, {verdict}", flush=True)
        if not one.passed:
            print(one.output, flush=True)
    for name, count in sorted(answers.items()):
        print(f"  {name}: {count}")
    seconds = time.monotonic() - started
    print(f"{answers.total()} requests, {cases} cases in {seconds:.0f} s, {failed} rounds failed.")
    return 1 if failed or answers.total() < requests else 0


if __name__ == "__main__":
    sys.exit(main())
