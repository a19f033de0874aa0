"""The Pyodide bundle that workerd loads in place of the one on Cloudflare's servers.

workerd, with the compatibility flag `python_workers_development`, reads
`pyodide_dev.capnp.bin` from the folder of `--pyodide-bundle-disk-cache-dir`. The bundle is
a Cap'n Proto message of three modules, all of them files of npm's package `pyodide`.

Run as a module (`python -m dev.setup.pyodide_bundle FOLDER`) it builds the bundle; set-up
does that in the virtual environment, which has pycapnp.
"""

import mmap
import re
import sys
from pathlib import Path

from dev.errors import SetupError, VersionFitError, run_command_line
from dev.layout import HERE, Layout
from dev.setup.command import run_tool
from dev.setup.npm import package_version
from dev.setup.progress import shown
from dev.setup.pyodide_patches import patch_glue
from dev.setup.stamp import fingerprint, write_atomically

BUNDLE_NAME = "pyodide_dev.capnp.bin"
SCHEMA = Path(__file__).with_suffix(".capnp")

_RELEASE = re.compile(rb"pythonWorkersDevPyodide\0{1,8}(\d+\.\d+[0-9A-Za-z.]*)\0")


def bundle_folder(layout: Layout) -> Path:
    """Return the folder of the bundle for the installed versions, built or not.

    Its name is made of both versions and the hash of all code that builds it.

    Raises:
        SetupError: The npm packages are not installed.
    """
    pyodide = package_version(layout, "pyodide")
    workerd = package_version(layout, "workerd")
    here = Path(__file__)
    builder = fingerprint(here, here.with_name("pyodide_patches.py"), SCHEMA)
    return layout.bundles / f"pyodide-{pyodide}-workerd-{workerd}-{builder[:12]}"


def find_bundle(layout: Layout) -> Path:
    """Return the folder of the bundle for the installed versions.

    Raises:
        SetupError: It has not been built.
    """
    folder = bundle_folder(layout)
    if not (folder / BUNDLE_NAME).exists():
        raise SetupError(
            "There is no Pyodide bundle for the installed versions: run a target of the Makefile, "
            "for example `make test`, which builds it first."
        )
    return folder


def ensure_bundle(layout: Layout, workerd: Path, lock: int) -> None:
    """Build the bundle unless the one for these versions is there.

    Args:
        layout: The clone; the virtual environment and npm's packages must be there.
        workerd: The program workerd.
        lock: The set-up lock's file descriptor.

    Raises:
        VersionFitError: Pyodide and workerd do not fit.
        SetupError: The build failed.
    """
    folder = bundle_folder(layout)
    if (folder / BUNDLE_NAME).exists():
        return
    with shown("Building the Pyodide bundle"):
        check_fit(package_version(layout, "pyodide"), expected_pyodide(workerd))
        folder.mkdir(parents=True, exist_ok=True)
        run_tool(
            [layout.python, "-m", "dev.setup.pyodide_bundle", folder],
            log=layout.logs / "pyodide-bundle.log",
            cwd=layout.root,
            failure="The Pyodide bundle could not be built.",
            keep_open=[lock],
        )


def expected_pyodide(workerd: Path) -> str | None:
    """Return the Pyodide version that a workerd was made for.

    workerd's table of Pyodide releases is compiled in as a Cap'n Proto constant; in the
    entry for development bundles the field `realPyodideVersion` follows the name of the
    compatibility flag, each text padded with zero bytes to a multiple of eight.

    Args:
        workerd: The program.

    Returns:
        The version, or `None` when this workerd has no such entry where it is looked for.
    """
    with (
        workerd.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as image,
    ):
        match = _RELEASE.search(image)
        return match.group(1).decode() if match else None


def check_fit(installed: str, expected: str | None) -> None:
    """Refuse a Pyodide that the installed workerd was not made for.

    Args:
        installed: The version of npm's package `pyodide`.
        expected: What `expected_pyodide` returned.

    Raises:
        VersionFitError: They differ, or what is expected could not be found out.
    """
    if expected is None:
        raise VersionFitError(
            "This workerd does not say which Pyodide it was made for: pin the wrangler version of "
            "package.json that the repository was last tested with."
        )
    if installed != expected:
        raise VersionFitError(
            f"workerd was made for Pyodide {expected} and package.json pins {installed}: pin "
            f"pyodide {expected}, or the wrangler that brings the workerd for {installed}."
        )


def encode_bundle(glue: bytes, wasm: bytes, stdlib: bytes) -> bytes:
    """Return the bundle's message.

    Args:
        glue: The patched `pyodide.asm.mjs`.
        wasm: `pyodide.asm.wasm`.
        stdlib: `python_stdlib.zip`.
    """
    # Installed in the virtual environment only; this module also runs outside of it.
    import capnp  # noqa: PLC0415

    capnp.remove_import_hook()
    schema = capnp.load(str(SCHEMA))
    bundle = schema.Bundle.new_message()
    modules = bundle.init("modules", 3)
    contents = (
        ("pyodideRuntime-internal:pyodide.asm", "src", glue),
        ("pyodideRuntime-internal:pyodide.asm.wasm", "wasm", wasm),
        ("pyodideRuntime-internal:python_stdlib.zip", "data", stdlib),
    )
    for module, (name, kind, content) in zip(modules, contents, strict=True):
        module.name = name
        module.type = "internal"
        setattr(module, kind, content)
    return bytes(bundle.to_bytes())


def main(arguments: list[str]) -> int:
    """Build the bundle into the folder that is the only argument."""
    (folder,) = arguments
    pyodide = HERE.node_modules / "pyodide"
    glue = patch_glue((pyodide / "pyodide.asm.mjs").read_text(encoding="utf-8"))
    bundle = encode_bundle(
        glue.encode(),
        (pyodide / "pyodide.asm.wasm").read_bytes(),
        (pyodide / "python_stdlib.zip").read_bytes(),
    )
    write_atomically(Path(folder) / BUNDLE_NAME, bundle)
    return 0


if __name__ == "__main__":
    sys.exit(run_command_line(lambda: main(sys.argv[1:])))
