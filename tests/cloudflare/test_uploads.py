"""A local upload becomes a folder that the dispatcher can serve, or is rejected."""

import asyncio
import json
from pathlib import Path

import pytest

from dev.cloudflare_api.responses import ApiError, UnsupportedError
from dev.cloudflare_api.scripts import store as module
from dev.cloudflare_api.scripts.folder import read_script
from dev.cloudflare_api.scripts.store import Uploads
from dev.cloudflare_api.scripts.upload import Module, Script
from dev.layout import HERE

JAVASCRIPT = "application/javascript+module"
DEMO = HERE.root / "dev" / "demo" / "namespace"


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """An empty namespace beside the demo's scripts, without a dispatcher that serves it."""
    monkeypatch.setattr(module, "SERVED_AFTER_SECONDS", 0)

    async def no_kv() -> list[str]:
        return []

    return Uploads(tmp_path / "uploads", [DEMO], no_kv)


def script(name: str = "api", *modules: tuple[str, str, bytes]) -> Script:
    """Return a script with these modules."""
    found = modules or (("index.js", JAVASCRIPT, b"export default {};"),)
    return Script(name, found[0][0], tuple(Module(*one) for one in found))


def write(uploads: Uploads, one: Script) -> None:
    """Store a script."""
    asyncio.run(uploads.write(one))


def test_a_stored_script_is_read_unchanged(uploads: Uploads, tmp_path: Path) -> None:
    stored = Script(
        "api",
        "index.js",
        (
            Module("index.js", JAVASCRIPT, b"export default {};"),
            Module("deep/er/data.bin", "application/octet-stream", b"\x00\xff"),
        ),
        ({"name": "K", "type": "secret_text", "text": "s"},),
        {"compatibility_date": "2026-11-01", "tags": ["t"]},
        "2026-11-01T00:00:00Z",
        "2026-11-02T00:00:00Z",
    )
    write(uploads, stored)
    assert uploads.read("api") == stored
    config = json.loads((tmp_path / "uploads" / "api" / "config.json").read_text())
    assert config == {
        "main": "index.js",
        "compatibility_date": "2026-11-01",
        "vars": {"K": "s"},
        "kv_namespaces": [],
    }


def test_an_upload_removes_the_previous_one(uploads: Uploads, tmp_path: Path) -> None:
    write(uploads, script("api", ("index.js", JAVASCRIPT, b"1"), ("old.js", JAVASCRIPT, b"2")))
    write(uploads, script("api", ("main.js", JAVASCRIPT, b"3")))
    folder = tmp_path / "uploads"
    assert {one.name for one in (folder / "api").glob("*.js")} == {"main.js"}
    assert len([one for one in folder.iterdir() if not one.is_symlink()]) == 1


def test_a_rejected_upload_keeps_the_previous_one(uploads: Uploads, tmp_path: Path) -> None:
    write(uploads, script("api"))
    before = sorted(one.name for one in (tmp_path / "uploads").iterdir())
    with pytest.raises(UnsupportedError):
        write(uploads, script("api", ("index.coffee", "text/plain", b"")))
    assert sorted(one.name for one in (tmp_path / "uploads").iterdir()) == before


@pytest.mark.parametrize(
    "name",
    [
        "../outside.js",
        "/absolute.js",
        "deep/../../outside.js",
        "./dot/./a.js",
        "back\\slash.js",
        "nul\0.js",
        ".hidden.js",
        "deep/.hidden/a.js",
        "config.json",
        "wrangler.toml",
        "no-ending",
        "type.script.ts",
    ],
)
def test_a_module_with_an_unsafe_name_is_rejected(
    uploads: Uploads, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ApiError):
        write(uploads, script("api", ("index.js", JAVASCRIPT, b""), (name, JAVASCRIPT, b"")))
    assert [*(tmp_path / "uploads").iterdir()] == []
    assert [one.name for one in tmp_path.iterdir()] == ["uploads"]


@pytest.mark.parametrize("name", ["Upper", "../up", "dot.ted", "-dash", "a" * 64, ""])
def test_an_invalid_script_name_is_rejected(uploads: Uploads, name: str) -> None:
    with pytest.raises(ApiError):
        write(uploads, script(name))
    assert uploads.read(name) is None


def test_source_maps_and_requirements_are_left_out(uploads: Uploads, tmp_path: Path) -> None:
    source_map = ("index.js.map", "application/source-map", b"{}")
    write(uploads, script("api", ("index.js", JAVASCRIPT, b""), source_map))
    assert not (tmp_path / "uploads" / "api" / "index.js.map").exists()


def test_packages_of_a_python_script_are_kept_completely(uploads: Uploads) -> None:
    names = ("entry.py", "python_modules/.synced", "python_modules/package/py.typed")
    stored = script("api", *((name, "text/x-python", b"") for name in names))
    write(uploads, stored)
    assert uploads.read("api") == stored


def test_scripts_of_the_folder_are_readable_and_not_removable(uploads: Uploads) -> None:
    assert {"airports", "digest", "tally"} <= set(uploads.names())
    for name in uploads.names():
        assert uploads.read(name) is not None, name
    with pytest.raises(UnsupportedError):
        asyncio.run(uploads.remove("digest"))


def test_an_upload_takes_precedence_until_it_is_removed(
    uploads: Uploads,
) -> None:
    write(uploads, script("digest", ("index.js", JAVASCRIPT, b"mine")))
    mine = uploads.read("digest")
    assert mine is not None
    assert mine.modules[0].content == b"mine"
    asyncio.run(uploads.remove("digest"))
    again = uploads.read("digest")
    assert again is not None
    assert again.modules[0].content != b"mine"


def test_the_configuration_of_a_folder_is_read(
    tmp_path: Path,
) -> None:
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / "index.js").write_text("export default {};")
    (tmp_path / "hand" / "wrangler.toml").write_text(
        'compatibility_date = "2026-11-01"\n[vars]\nA = "a"\nN = 1\n'
        '[[kv_namespaces]]\nbinding = "K"\nid = "k"\n'
    )
    found = read_script(tmp_path, "hand")
    assert found is not None
    assert found.settings == {"compatibility_date": "2026-11-01"}
    assert [*found.bindings] == [
        {"name": "A", "type": "plain_text", "text": "a"},
        {"name": "N", "type": "json", "json": 1},
        {"name": "K", "type": "kv_namespace", "namespace_id": "k"},
    ]
