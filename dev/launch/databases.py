"""Before a start: brings the local databases up to the migrations of this clone.

wrangler applies them, as it does in production, and keeps its own list of those that a
database has. Asking it takes about two seconds, so the state folder remembers which
migrations it was last brought up to, and a new state folder begins with a copy of what
wrangler made for the one before it.
"""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.launch.options import LaunchOptions
from dev.launch.run_folder import RunFolder
from dev.layout import Layout
from dev.setup.command import run_tool
from dev.setup.node import find_node
from dev.setup.npm import package_version
from dev.setup.stamp import fingerprint as hash_of
from dev.setup.stamp import write_atomically

FAILURE = "A database migration failed: mend the newest file in migrations/."


def apply_migrations(
    layout: Layout,
    folder: RunFolder,
    config: Mapping[str, Any],
    options: LaunchOptions,
    environment: Mapping[str, str],
) -> None:
    """Apply to the run's local databases the migrations that they lack.

    Args:
        layout: The clone; set-up must have run.
        folder: The run's folder, its configuration written.
        config: The run's configuration; databases without `migrations_dir` are left alone.
        options: The run's options; the databases live in its state folder.
        environment: All environment variables of wrangler.

    Raises:
        SetupError: A migration failed.
    """
    databases = [
        (database, fingerprint(layout.root / database["migrations_dir"]))
        for database in config.get("d1_databases", [])
        if "migrations_dir" in database
    ]
    home = options.state / "v3" / "d1"
    is_new = not home.exists()
    made_by = package_version(layout, "wrangler")
    template = layout.databases / hash_of(made_by, repr(databases))
    if is_new and template.exists():
        shutil.copytree(template, home)
    for database, wanted in databases:
        binding = database["binding"]
        # Beside the databases, so that it is gone when they are.
        stamp = home / f".migrated-{binding}"
        if stamp.exists() and stamp.read_text() == wanted:
            continue
        wrangler = layout.node_modules / "wrangler" / "bin" / "wrangler.js"
        run_tool(
            [
                *(find_node(layout), wrangler, "d1", "migrations", "apply", binding),
                *("--local", "--config", folder.config, "--persist-to", options.state),
            ],
            log=layout.logs / f"{folder.path.name}-{binding}.log",
            cwd=folder.path,
            failure=FAILURE,
            environment={**environment, "CI": "true"},
        )
        write_atomically(stamp, wanted.encode())
    if databases and is_new and not template.exists():
        _keep(home, template)


def _keep(home: Path, template: Path) -> None:
    """Copy new databases to where the next new state folder finds them, whole or not at all."""
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        copy = shutil.copytree(home, Path(folder) / "d1")
        # Another run may have been quicker.
        with contextlib.suppress(OSError):
            copy.rename(template)


def fingerprint(migrations: Path) -> str:
    """Return a hash of all migrations, by name and content.

    Args:
        migrations: The folder that holds them.
    """
    digest = hashlib.sha256()
    for file in sorted(migrations.glob("*.sql")):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
