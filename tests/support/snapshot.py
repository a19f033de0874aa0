"""A memory snapshot of the Worker after its imports, from which the tests start it.

Cloudflare takes one at each upload, too. Starting from it takes a fifth of the CPU time.
"""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dev.launch import running_dispatcher
from dev.layout import HERE
from dev.setup.lock import exclusive
from dev.setup.pyodide_bundle import find_bundle
from dev.setup.stamp import fingerprint


@cache
def startup_snapshot() -> Path:
    """Return the folder of the snapshot of these sources; take the snapshot if it is missing."""
    files = [
        path
        for folder in (HERE.root / "src", HERE.python_modules)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    names = [str(path.relative_to(HERE.root)) for path in files]
    key = fingerprint(*names, *files, HERE.wrangler_toml, find_bundle(HERE).name)
    snapshots = HERE.cache / "snapshots"
    snapshot = snapshots / key / "snapshot.bin"
    with exclusive(HERE.cache / "snapshots.lock"):
        if not snapshot.exists():
            shutil.rmtree(snapshots, ignore_errors=True)
            snapshot.parent.mkdir(parents=True)
            with TemporaryDirectory() as state, TemporaryDirectory(dir=snapshots) as fresh:
                with running_dispatcher(state=Path(state), snapshots=Path(fresh)):
                    pass
                # At once, so that an interrupted run leaves no half snapshot.
                (Path(fresh) / snapshot.name).rename(snapshot)
    return snapshot.parent
