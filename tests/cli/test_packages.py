"""The packed command and the packed npm package work where they are installed, without a clone."""

import os
import re
import signal
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dev.layout import HERE
from dev.packages.__main__ import pack_command, pack_dispatch_namespace
from dev.setup.node import ensure_node
from tests.cli.market import LocalMarket
from tests.cli.publish.documented import write_files

PLUGIN = HERE.root / "dev" / "dispatch-namespace"
UV = HERE.venv / "bin" / "uv"
SECONDS_MAX = 300
WRANGLER = "4.164.0"


def environment(home: Path) -> dict[str, str]:
    """Return an environment that knows the machine's registries, but not the clone."""
    names = [name for name in os.environ if re.match(r"(PIP|UV|NPM|npm)_|PATH$|HOME$|SSL", name)]
    return {
        **{name: os.environ[name] for name in names},
        "XDG_CONFIG_HOME": str(home),
        "WRANGLER_SEND_METRICS": "false",
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "CI": "1",
    }


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def done(*command: str | Path, folder: Path) -> str:
    ran = run(*command, folder=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pack_command(HERE, folder)
    return next(folder.glob("clawr-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an empty virtual environment."""
    folder = tmp_path_factory.mktemp("installed")
    done(UV, "venv", "--python", HERE.python, "venv", folder=folder)
    done(UV, "pip", "install", "--python", "venv/bin/python", wheel, folder=folder)
    return folder / "venv" / "bin" / "clawr"


def test_the_wheel_has_what_the_command_needs_and_nothing_of_development(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(one for one in names if one.endswith("/METADATA"))).decode()
    assert {name.split("/")[0] for name in names} == {"clawr", "clawr-0.1.0.dist-info"}
    assert "clawr/cli/publish/scripts/templates/dataset/index.js" in names
    folders = {name.split("/")[2] for name in names if name.startswith("clawr/dev/")}
    assert folders == {"", "__init__.py", "errors.py", "launch", "layout.py", "setup"}
    assert not any(re.search(r"tests?/|command_reference", name) for name in names)
    assert re.search(r"^Requires-Dist: typer==", metadata, re.MULTILINE)
    assert "License-Expression: LicenseRef-Unlicensed" in metadata


def test_the_installed_command_publishes_a_dataset_that_can_be_called(
    installed: Path, local_market: LocalMarket, tmp_path: Path
) -> None:
    (tmp_path / "cities.csv").write_text("id,city\n1,Bern\n")
    where = ("--local", "--state", local_market.state)
    done(
        installed, "publish", "cities.csv", "--slug", "installed", *where, "--execute",
        folder=tmp_path,
    )  # fmt: skip
    answer = httpx.get(f"{local_market.url}/t/installed?city=Bern")
    assert answer.json()["rows"] == [{"id": 1, "city": "Bern"}]
    assert "installed" in done(installed, "apis", *where, folder=tmp_path)


def test_the_installed_command_says_what_needs_a_clone(installed: Path, tmp_path: Path) -> None:
    asked = ("deploy-dispatcher", "--script-name", "x", "--dispatch-namespace", "y")
    ran = run(installed, *asked, folder=tmp_path)
    assert (ran.returncode, "installed without one" in ran.stderr) == (2, True)
    assert done(installed, "doctor", folder=tmp_path).startswith("make dev\n")
    ran = run(installed, "apis", "--local", folder=tmp_path)
    assert f"STATE={tmp_path}/.clawr/state" in ran.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example of the npm package's README, the package and wrangler."""
    folder = tmp_path_factory.mktemp("project")
    packed = tmp_path_factory.mktemp("npm")
    pack_dispatch_namespace(HERE, packed)
    tarball = next(packed.glob("*.tgz"))
    (folder / "namespace" / "counter").mkdir(parents=True)
    write_files(PLUGIN / "README.md", folder)
    node = ensure_node(HERE, lock=0)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    wanted = (tarball, f"wrangler@{WRANGLER}")
    done(node.node, node.npm_cli, "install", *quiet, *wanted, folder=folder)
    with tarfile.open(tarball) as archive:
        names = [Path(name).relative_to("package").parts[0] for name in archive.getnames()]
    assert set(names) == {"src", "types", "package.json", "README.md", "CHANGELOG.md"}
    return folder


@pytest.fixture
def served(project: Path) -> Iterator[str]:
    """The address at which `wrangler dev` serves the example."""
    node = ensure_node(HERE, lock=0)
    wrangler = project / "node_modules" / "wrangler" / "bin" / "wrangler.js"
    options = ("--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0")
    with subprocess.Popen(
        [node.node, wrangler, "dev", *options],
        cwd=project,
        env={**environment(project), "WRANGLER_REGISTRY_PATH": str(project / ".registry")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            ready = re.search(r"Ready on (http:\S+)", line)
            if ready:
                yield ready[1]
                break
        else:
            pytest.fail("".join(lines))
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()


def test_the_installed_plugin_serves_the_example_of_its_readme(served: str) -> None:
    assert httpx.get(f"{served}/hello/world").text == "hello from /hello/world\n"
    assert httpx.get(f"{served}/missing").text == "404: Worker not found.\n"
    assert httpx.get(f"{served}/counter").text.startswith("500: Too many subrequests")
