"""The changes that make npm's Pyodide glue run inside workerd.

workerd forbids entropy at start-up, compiling WebAssembly from bytes, and has a clock
that stands still. Its module `pyodide-internal:builtin_wrappers` offers its own versions;
Cloudflare's build replaces the glue's uses of the globals by them
(https://github.com/cloudflare/workerd/tree/main/src/pyodide). This does the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dev.errors import VersionFitError

PRELUDE = (
    "import{getRandomValues,monotonicDateNow,newWasmModule,wasmInstantiate}"
    'from"pyodide-internal:builtin_wrappers";\n'
)


@dataclass(frozen=True, slots=True)
class Patch:
    """One replacement, with how often it must apply.

    Args:
        purpose: What it is for, in a few words.
        old: The text to replace.
        new: What to put in its place.
        times: How often `old` occurs in the version this was written for.
    """

    purpose: str
    old: str
    new: str
    times: int


PATCHES = (
    Patch(
        "export the factory by name",
        "async function _createPyodideModule(",
        "export async function _createPyodideModule(",
        1,
    ),
    Patch("compile WebAssembly", "new WebAssembly.Module(", "newWasmModule(", 4),
    Patch("instantiate WebAssembly", "WebAssembly.instantiate(", "wasmInstantiate(", 2),
    Patch("take entropy", "crypto.getRandomValues(view)", "getRandomValues(Module,view)", 1),
    Patch("read the clock", "Date.now()", "monotonicDateNow()", 22),
)
"""For Pyodide 314.0.6. A new version of Pyodide needs each count looked at again."""


def patch_glue(glue: str) -> str:
    """Return `pyodide.asm.mjs` changed for workerd.

    Args:
        glue: The file's text, as npm has it.

    Raises:
        VersionFitError: A text to replace is not there as often as it must be.
    """
    return PRELUDE + apply_patches(glue, PATCHES)


def apply_patches(glue: str, patches: Iterable[Patch]) -> str:
    """Return the glue with every patch applied, in their order.

    Args:
        glue: Text of `pyodide.asm.mjs`.
        patches: What to replace.

    Raises:
        VersionFitError: A text to replace is not there as often as it must be.
    """
    for patch in patches:
        found = glue.count(patch.old)
        if found != patch.times:
            raise VersionFitError(
                f"pyodide.asm.mjs has {patch.old!r} {found} times instead of {patch.times} (to "
                f"{patch.purpose}): the patches must be adapted to this Pyodide."
            )
        glue = glue.replace(patch.old, patch.new)
    return glue
