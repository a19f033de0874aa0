"""The table of features has every option of the official servers, each with a test or a reason."""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest

from dev.layout import HERE

PAGE = HERE.root / "docs" / "reference" / "x402-features.md"
LIBRARIES = HERE.economy / "node_modules" / "@x402"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| official")
]
CELL = re.compile(r"`(tests/[\w./]+)`: `(test_\w+)`")
INTERFACES = ("PaymentOption", "RouteConfig", "PaywallConfig", "FacilitatorConfig")
OTHERS = {
    "url": "the address of a facilitator",
    "paywall": "a PaywallProvider",
    "schemes": "scheme",
    "onPaymentRequired": "a hook of clients",
    "onPaymentResponse": "a hook of clients",
    "onBeforePaymentCreation": "a hook of clients",
    "onAfterPaymentCreation": "a hook of clients",
    "onPaymentCreationFailure": "a hook of clients",
}
"""Options that a row has in other words, or that are not a server's."""


@cache
def functions(path: str) -> set[str]:
    """Return the names of the functions in a file."""
    tree = ast.parse((HERE.root / path).read_bytes())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_row_has_a_test_that_exists_or_a_reason(row: list[str]) -> None:
    assert len(row) == 3, row
    found = CELL.fullmatch(row[2])
    if found is None:
        assert row[2].startswith(("Not built: ", "Not needed: ")), row
        assert row[2].endswith("."), row
    else:
        assert found[2] in functions(found[1]), row


def official_options() -> set[str]:
    """Return the names of all options in the declarations of the official libraries."""
    (core,) = (LIBRARIES / "core" / "dist" / "esm").glob("x402Client-*.d.mts")
    text = re.sub(r"/\*.*?\*/", "", core.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: set[str] = set()
    for interface in INTERFACES:
        found = re.search(rf"interface {interface} \{{(.*?)\n\}}", text, re.DOTALL)
        assert found is not None, interface
        names |= set(re.findall(r"^    (\w+)\??:", found[1], re.MULTILINE))
    names |= set(re.findall(r"^    (on[A-Z]\w+)\(", text, re.MULTILINE))
    names |= set(re.findall(r'"(\w+)"', re.findall(r"type PaymentFlowName = ([^;]+);", text)[0]))
    middleware = (LIBRARIES / "hono" / "dist" / "esm" / "index.d.mts").read_text(encoding="utf-8")
    for parameters in re.findall(r"declare function \w+\((.*?)\):", middleware):
        names |= set(re.findall(r"(\w+)\?:", parameters))
    manifest = json.loads((LIBRARIES / "extensions" / "package.json").read_text(encoding="utf-8"))
    names |= {name.removeprefix("./") for name in manifest["exports"]} - {"."}
    return names


@pytest.mark.skipif(not LIBRARIES.exists(), reason="the local economy is not installed")
def test_no_option_of_the_official_servers_is_missing() -> None:
    words = set(re.findall(r"[\w-]+", " ".join(row[0] for row in ROWS).lower()))
    options = official_options()
    assert {"accepts", "syncFacilitatorOnStart", "onAfterSettle", "upfront", "bazaar"} <= options
    assert not {name for name in options - OTHERS.keys() if name.lower() not in words}
