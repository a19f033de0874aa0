"""The counting variant of the Pyodide bundle: the same, with every crossing counted.

The WebAssembly of Python reaches JavaScript through its imports and is reached through its
exports, and nothing else; the glue holds both. So they are wrapped there, by `counting.js`,
and neither the Worker nor the runtime around it is changed.
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
        "hand the counted imports on",
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
        "count calls on a stack of their own",
        "return promisingApplyHandler(...args)",
        "promised(...args);return promisingApplyHandler(...args)",
        1,
    ),
    Patch("leave V8's collector out", "new FinalizationRegistry(", "new CountedRegistry(", 2),
)
"""For Pyodide 314.0.6, as the patches of `dev.setup.pyodide_patches` are."""


def counting_bundle(layout: Layout) -> Path:
    """Return the folder of the counting bundle, built when it is not there.

    Args:
        layout: The clone; set-up must have run.

    Raises:
        VersionFitError: The glue is not the one that the patches are for.
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
    """Return `pyodide.asm.mjs` changed for workerd, and for counting.

    Args:
        glue: The file's text, as npm has it.

    Raises:
        VersionFitError: A text to replace is not there as often as it must be.
    """
    return COUNTING.read_text(encoding="utf-8") + apply_patches(patch_glue(glue), PATCHES)
