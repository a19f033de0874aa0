"""Prepared starts of the dispatcher, which tests share."""

import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.launch import running_dispatcher
from dev.launch.prepared import OWN_SCRIPTS
from dev.layout import HERE
from dev.setup.lock import exclusive
from dev.setup.npm import package_version
from dev.setup.pyodide_bundle import find_bundle
from dev.setup.stamp import fingerprint


@cache
def prepared_start() -> Path:
    """Return the folder of the prepared start of these sources; prepare it if it is missing."""
    return prepare(
        "dispatcher", (), lambda state, fresh: running_dispatcher(state=state, prepared=fresh)
    )


def prepare(
    name: str, more: Iterable[Path], start: Callable[[Path, Path], AbstractContextManager[object]]
) -> Path:
    """Return the folder of a prepared start; prepare it if it is missing.

    Args:
        name: The name of the Worker.
        more: Its files that are not in `src`.
        start: Runs it with a state folder and the empty folder of the prepared start.
    """
    files = [
        *more,
        *(
            path
            for folder in (HERE.root / "src", HERE.python_modules)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        ),
    ]
    names = [str(path.relative_to(HERE.root)) for path in files]
    versions = (find_bundle(HERE).name, package_version(HERE, "wrangler"))
    key = fingerprint(*names, *files, HERE.wrangler_toml, *OWN_SCRIPTS, *versions)
    folders = HERE.cache / "prepared" / name
    prepared = folders / key
    with exclusive(HERE.cache / f"prepared-{name}.lock"):
        if not prepared.exists():
            shutil.rmtree(folders, ignore_errors=True)
            folders.mkdir(parents=True)
            with TemporaryDirectory() as state, TemporaryDirectory(dir=folders) as parent:
                fresh = Path(parent) / key
                fresh.mkdir()
                with start(Path(state), fresh):
                    pass
                # At once, so that an interrupted run leaves no half of it.
                fresh.rename(prepared)
    return prepared
