"""The Pyodide bundle: patched glue, matching versions, the encoded message."""

from pathlib import Path

import capnp
import pytest

from dev.errors import VersionFitError
from dev.layout import HERE, Layout
from dev.setup.pyodide_bundle import (
    SCHEMA,
    bundle_folder,
    check_fit,
    encode_bundle,
    expected_pyodide,
)
from dev.setup.pyodide_patches import PATCHES, PRELUDE, patch_glue

GLUE = "\n".join(patch.old * patch.times for patch in PATCHES)


def test_every_patch_is_applied() -> None:
    patched = patch_glue(GLUE)
    assert patched.startswith(PRELUDE)
    for patch in PATCHES:
        assert patched.count(patch.new) == patch.times
    assert "new WebAssembly.Module(" not in patched
    assert "crypto.getRandomValues" not in patched


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.purpose)
def test_a_patch_that_does_not_apply_is_reported(patch: object) -> None:
    missing = GLUE.replace(patch.old, "", 1)  # type: ignore[attr-defined]
    with pytest.raises(VersionFitError, match="must be adapted to this Pyodide"):
        patch_glue(missing)


def test_the_patches_fit_the_pinned_pyodide() -> None:
    glue = (HERE.node_modules / "pyodide" / "pyodide.asm.mjs").read_text(encoding="utf-8")
    assert "export async function _createPyodideModule(" in patch_glue(glue)


def test_the_message_can_be_decoded() -> None:
    message = encode_bundle(b"glue", b"\0asm", b"PK" * 70_000)
    schema = capnp.load(str(SCHEMA))
    with schema.Bundle.from_bytes(message) as bundle:
        modules = [
            (module.name, str(module.type), module.which(), bytes(getattr(module, module.which())))
            for module in bundle.modules
        ]
    assert modules == [
        ("pyodideRuntime-internal:pyodide.asm", "internal", "src", b"glue"),
        ("pyodideRuntime-internal:pyodide.asm.wasm", "internal", "wasm", b"\0asm"),
        ("pyodideRuntime-internal:python_stdlib.zip", "internal", "data", b"PK" * 70_000),
    ]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (b"...pythonWorkersDevPyodide\x00314.0.6\x00sha256-...", "314.0.6"),
        (
            b"..pythonWorkersDevPyodide\x002000-01-01\0..pythonWorkersDevPyodide\x000.28.2\0\0",
            "0.28.2",
        ),
        (b"pythonWorkersDevPyodide\0\0\0\0\x000.26.0a2\0", "0.26.0a2"),
        (b"pythonWorkersDevPyodide\0nothing of the kind\0", None),
        (b"another program altogether", None),
    ],
)
def test_the_pyodide_version_is_read_from_workerd(
    tmp_path: Path, image: bytes, version: str | None
) -> None:
    program = tmp_path / "workerd"
    program.write_bytes(image)
    assert expected_pyodide(program) == version


def test_matching_versions_pass() -> None:
    check_fit("314.0.6", "314.0.6")


def test_other_versions_are_rejected_with_both_solutions() -> None:
    with pytest.raises(VersionFitError, match=r"made for Pyodide 314\.0\.8 .* pins 314\.0\.6"):
        check_fit("314.0.6", "314.0.8")


def test_a_workerd_without_a_version_is_rejected() -> None:
    with pytest.raises(VersionFitError, match="does not say which Pyodide"):
        check_fit("314.0.6", None)


def test_another_version_gets_another_bundle(tmp_path: Path) -> None:
    def with_pyodide(version: str) -> Path:
        for name, number in (("pyodide", version), ("workerd", "1.0.0")):
            folder = tmp_path / "node_modules" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text(f'{{"version": "{number}"}}')
        return bundle_folder(Layout(tmp_path))

    assert with_pyodide("314.0.6") == with_pyodide("314.0.6")
    assert with_pyodide("314.0.6") != with_pyodide("314.0.7")
