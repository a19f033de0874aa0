"""The rules of the repository, and the check of its layers."""

import ast
import re
from pathlib import Path

import pytest

from dev.check.house_rules import addresses_in_locks, bad_names, long_modules
from dev.check.layers import check_layers, packaged
from dev.layout import HERE, Layout


def write(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_long_module_needs_a_reason(tmp_path: Path) -> None:
    module = write(tmp_path, "src/long.py", "x\n" * 301)
    assert "301 lines" in long_modules(tmp_path, [module], {})[0]
    assert long_modules(tmp_path, [module], {"src/long.py": "one table"}) == []


def test_a_reason_that_is_no_longer_needed_is_reported(tmp_path: Path) -> None:
    module = write(tmp_path, "src/short.py", "x\n" * 300)
    assert "needs no place" in long_modules(tmp_path, [module], {"src/short.py": "was long"})[0]


def test_names_must_be_free_and_say_something(tmp_path: Path) -> None:
    files = [
        write(tmp_path, name)
        for name in ("src/platform.py", "dev/platform.py", "src/usage.py", "dev/utils.js")
    ]
    assert [line.split(":")[0] for line in bad_names(tmp_path, files)] == [
        "src/platform.py",
        "dev/utils.js",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dev/locks/run.txt", "--index-url https://registry.example/simple"),
        ("package-lock.json", '{"resolved": "https://registry.example/a.tgz"}'),
        (".npmrc", "registry=https://registry.example"),
        (".npmrc", "@scope:registry = https://registry.example"),
    ],
)
def test_locks_name_no_registry(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, "package-lock.json", '{"resolved": "dev/dispatch-namespace", "link": true}')
    write(tmp_path, ".npmrc", "omit-lockfile-registry-resolved=true")
    assert addresses_in_locks(Layout(tmp_path)) == []
    write(tmp_path, name, text)
    assert [line.split(":")[0] for line in addresses_in_locks(Layout(tmp_path))] == [name]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import keys", "from worker import keys"),
        ("import keys as k, json", "import json\nfrom worker import keys as k"),
        ("from keys import Key", "from worker.keys import Key"),
        ("from json import loads", "from json import loads"),
        ("def f():\n    import keys", "def f():\n    from worker import keys"),
    ],
)
def test_imports_of_siblings_are_seen(before: str, after: str) -> None:
    assert ast.unparse(packaged(ast.parse(before), {"keys"})) == after


@pytest.mark.parametrize(
    ("name", "text", "broken"),
    [
        ("usage", "import platform_api", "usage"),
        ("keys", "import usage", "keys"),
        ("tenants", "import js", "js"),
        ("dispatch", "from pyodide.ffi import to_js", "pyodide"),
        ("dispatch", "import runtime", "runtime"),
        ("runtime", "import usage", "runtime"),
        ("unplaced", "", "unplaced"),
    ],
)
def test_an_import_that_points_up_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, broken: str
) -> None:
    layout = Layout(tmp_path)
    (tmp_path / ".venv").symlink_to(HERE.venv)
    known = ("entry", "runtime", "runtime_outward", "platform_api", "dispatch", "usage")
    runtimes = (
        "runtime_edge",
        "runtime_exchange",
        "runtime_limits",
        "runtime_steps",
        "runtime_store",
    )
    for module in (*known, *runtimes, "tenants", "keys"):
        write(tmp_path, f"src/{module}.py")
    assert check_layers(layout), capsys.readouterr().out
    write(tmp_path, f"src/{name}.py", text)
    assert not check_layers(layout)
    assert re.search(rf"\b{broken}\b", capsys.readouterr().out)
