"""docs/security.md lists every attack, and its commands create a working token."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import tomllib
from pathlib import Path

from api.auth import Authorizer
from core.constants import AUTH_FAILURES_MAX, AUTH_WINDOW_SECONDS
from tests.security.test_guards import GUARDS
from tests.support.fakes import FakeClock, FakeEnvironment

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = DOCUMENT.partition("## Threats")[2]
THREATS = re.findall(r"^\|[^|]+\|[^|]+\|([^|]+)\|$", TABLE, re.MULTILINE)[2:]
WRANGLER = tomllib.loads((REPOSITORY / "wrangler.toml").read_text(encoding="utf-8"))


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_threat_has_tests_that_exist() -> None:
    attacks = {guard.attack.__name__ for guard in GUARDS}
    assert len(THREATS) > 15
    for cell in THREATS:
        assert names_in(cell), cell
        for name in names_in(cell):
            exists = (REPOSITORY / name).exists() if "/" in name else name in attacks
            assert exists, name


def test_every_attack_is_in_the_table() -> None:
    listed = {name for cell in THREATS for name in names_in(cell)}
    assert {guard.attack.__name__ for guard in GUARDS} <= listed
    files = (REPOSITORY / "tests" / "e2e").glob("test_security_*.py")
    assert {f"tests/e2e/{file.name}" for file in files} <= listed


def test_the_commands_create_a_token_for_the_entry() -> None:
    commands = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    # The others are those of `clawr token`, which tests/cli runs.
    [create] = [one for one in commands if "openssl" in one]
    script = create + 'printf "%s" "$token"'
    result = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)  # noqa: S607
    digest, token = result.stdout.split("\n")
    [entry] = json.loads(re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[0])
    tokens = json.dumps([{**entry, "sha256": digest}])
    authorizer = Authorizer(FakeEnvironment(settings={"PLATFORM_TOKENS": tokens}), FakeClock())
    assert authorizer.problems == []
    headers = {"authorization": f"Bearer {token}"}
    asyncio.run(authorizer.authorize(headers, "/__platform/analytics", {}))


def test_the_configuration_redacts_queries_and_has_the_rate_limit_binding() -> None:
    assert WRANGLER["observability"]["redact_query_string"] is True
    name = f"RATE_{AUTH_WINDOW_SECONDS}S_{AUTH_FAILURES_MAX}"
    [binding] = [one for one in WRANGLER["ratelimits"] if one["name"] == name]
    assert binding["simple"] == {"limit": AUTH_FAILURES_MAX, "period": AUTH_WINDOW_SECONDS}
