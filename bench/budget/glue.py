"""Builds a variant of the Pyodide bundle that counts every crossing.

Python's WebAssembly calls JavaScript only through its imports, and is called only through its
exports. Both are in the glue, where `counting.js` wraps them. The Worker and the runtime are
unchanged.
"""

from pathlib import Path

from dev.layout import Layout
from dev.setup.pyodide_bundle import BUNDLE_NAME, encode_bundle, find_bundle
from dev.setup.pyodide_patches import Patch, apply_patches, patch_glue
from dev.setup.stamp import fingerprint, write_atomically

COUNTING = Path(__file__).with_name("counting.js")

PATCHES = (
    Patch(
        "count what Python calls",
        "function getWasmImports(){",
        "function getWasmImports(){const counted=countedImports(wasmImports,Module,UTF8ToString);",
        1,
    ),
    Patch(
        "use the counted imports",
        "{env:wasmImports,wasi_snapshot_preview1:wasmImports,",
        "{env:counted,wasi_snapshot_preview1:counted,",
        1,
    ),
    Patch(
        "count what JavaScript calls",
        "wasmExports=applySignatureConversions(wasmExports);",
        "wasmExports=countedExports(applySignatureConversions(wasmExports));",
        1,
    ),
    Patch(
        "count calls on separate stacks",
        "return promisingApplyHandler(...args)",
        "promised(...args);return promisingApplyHandler(...args)",
        1,
    ),
    Patch("do not count V8's finalizers", "new FinalizationRegistry(", "new CountedRegistry(", 2),
)
"""For Pyodide 314.0.6, like the patches in `dev.setup.pyodide_patches`."""


def counting_bundle(layout: Layout) -> Path:
    """Return the folder of the counting bundle; build it if it is missing.

    Args:
        layout: The clone; set-up must have run.

    Raises:
        VersionFitError: The patches do not fit this glue.
        SetupError: Set-up has not run.
    """
    plain = find_bundle(layout)
    own = fingerprint(Path(__file__), COUNTING)
    folder = plain.with_name(f"{plain.name}-counting-{own[:12]}")
    if not (folder / BUNDLE_NAME).exists():
        pyodide = layout.node_modules / "pyodide"
        glue = counting_glue((pyodide / "pyodide.asm.mjs").read_text(encoding="utf-8"))
        bundle = encode_bundle(
            glue.encode(),
            (pyodide / "pyodide.asm.wasm").read_bytes(),
            (pyodide / "python_stdlib.zip").read_bytes(),
        )
        folder.mkdir(exist_ok=True)
        write_atomically(folder / BUNDLE_NAME, bundle)
    return folder


def counting_glue(glue: str) -> str:
    """Return `pyodide.asm.mjs` patched for workerd and for counting.

    Args:
        glue: The file's original text.

    Raises:
        VersionFitError: The patches do not fit this glue.
    """
    return COUNTING.read_text(encoding="utf-8") + apply_patches(patch_glue(glue), PATCHES)
