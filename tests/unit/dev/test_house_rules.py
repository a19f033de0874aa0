"""The house rules and the check of the layers."""

from pathlib import Path

import pytest

from dev.check.house_rules import (
    addresses_in_locks,
    bad_names,
    large_folders,
    links_out,
    long_modules,
)
from dev.check.layers import check_layers
from dev.layout import Layout


def write(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_long_module_needs_a_reason(tmp_path: Path) -> None:
    module = write(tmp_path, "src/long.py", "x\n" * 401)
    assert "401 lines" in long_modules(tmp_path, [module], {})[0]
    assert long_modules(tmp_path, [module], {"src/long.py": "one table"}) == []


def test_a_reason_that_is_no_longer_needed_is_reported(tmp_path: Path) -> None:
    module = write(tmp_path, "src/short.py", "x\n" * 400)
    assert "needs no entry" in long_modules(tmp_path, [module], {"src/short.py": "was long"})[0]


def test_vague_and_shadowing_names_are_reported(tmp_path: Path) -> None:
    files = [
        write(tmp_path, name)
        for name in (
            "src/platform.py",
            "src/http/server.py",
            "src/api/platform.py",
            "dev/platform.py",
            "src/usage.py",
            "dev/utils.js",
        )
    ]
    assert [line.split(":")[0] for line in bad_names(tmp_path, files)] == [
        "src/platform.py",
        "src/http/server.py",
        "dev/utils.js",
    ]


def test_a_package_has_at_most_fifteen_modules(tmp_path: Path) -> None:
    files = [write(tmp_path, f"src/usage/m{number}.py") for number in range(15)]
    files += [write(tmp_path, f"src/usage/{name}") for name in ("__init__.py", "bridge.js")]
    files += [write(tmp_path, f"src/usage/sketches/m{number}.py") for number in range(15)]
    files += [write(tmp_path, f"dev/m{number}.py") for number in range(16)]
    assert large_folders(tmp_path, files) == []
    files.append(write(tmp_path, "src/usage/sketches/m15.py"))
    (line,) = large_folders(tmp_path, files)
    assert line.startswith("src/usage/sketches: 16 modules")


def test_the_source_folder_has_at_most_twelve_entries(tmp_path: Path) -> None:
    files = [write(tmp_path, f"src/m{number}.py") for number in range(11)]
    files += [write(tmp_path, f"src/usage/{name}.py") for name in ("log", "shard")]
    assert large_folders(tmp_path, files) == []
    files.append(write(tmp_path, "src/m11.py"))
    (line,) = large_folders(tmp_path, files)
    assert line.startswith("src: 13 entries")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dev/locks/run.txt", "--index-url https://registry.example/simple"),
        ("package-lock.json", '{"resolved": "https://registry.example/a.tgz"}'),
        (".npmrc", "registry=https://registry.example"),
        (".npmrc", "@scope:registry = https://registry.example"),
    ],
)
def test_lock_files_have_no_registry_address(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, "package-lock.json", '{"resolved": "dev/dispatch-namespace", "link": true}')
    write(tmp_path, ".npmrc", "omit-lockfile-registry-resolved=true")
    assert addresses_in_locks(Layout(tmp_path)) == []
    write(tmp_path, name, text)
    assert [line.split(":")[0] for line in addresses_in_locks(Layout(tmp_path))] == [name]


@pytest.mark.parametrize(
    ("name", "text", "broken"),
    [
        ("usage", "import api.routes", "usage may not import api"),
        ("usage", "def f():\n    from api import routes", "usage may not import api"),
        ("core/keys", "from usage import record", "core may not import usage"),
        ("tenants/records", "import js", "tenants may not import js"),
        ("gateway/urls", "from pyodide.ffi import to_js", "gateway may not import pyodide"),
        ("gateway/urls", "import runtime.kv", "gateway may not import runtime"),
        ("runtime/kv", "import usage", "runtime may not import usage"),
        ("unplaced", "", "unplaced is missing"),
        ("core/keys", "from core.ports import Clock", "in a circle"),
    ],
)
def test_an_import_that_breaks_a_rule_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, broken: str
) -> None:
    for module in ("entry", "usage", "api/routes", "runtime/kv", "gateway/urls", "core/keys"):
        write(tmp_path, f"src/{module}.py", "import json\n")
    write(tmp_path, "src/core/ports.py", "from core import keys\n")
    assert check_layers(Layout(tmp_path)), capsys.readouterr().out
    write(tmp_path, f"src/{name}.py", text)
    assert not check_layers(Layout(tmp_path))
    assert broken in capsys.readouterr().out


def test_a_link_must_not_lead_out_of_the_clone(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/own").symlink_to("../target")
    (tmp_path / "installed").symlink_to("/elsewhere/node_modules")
    (found,) = links_out(tmp_path, ["inside/own", "installed"])
    assert found.startswith("installed: leads out of the clone")
