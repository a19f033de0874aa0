"""Applies the migrations of this clone to the local databases before a start.

wrangler applies them, as in production, and records which ones a database has. Running it
takes about two seconds. Therefore the state folder stores a hash of the migrations that were
last applied, and a new state folder starts with a copy of already migrated databases.
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

FAILURE = "A database migration failed: correct the newest file in migrations/."


def apply_migrations(
    layout: Layout,
    folder: RunFolder,
    config: Mapping[str, Any],
    options: LaunchOptions,
    environment: Mapping[str, str],
) -> None:
    """Apply missing migrations to the local databases of a run.

    Args:
        layout: The clone; set-up must have run.
        folder: The run's folder, its configuration written.
        config: The run's configuration; databases without `migrations_dir` are skipped.
        options: The run's options; the databases are in its state folder.
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
        # Beside the databases, so that both are deleted together.
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
        _store_template(home, template)


def _store_template(home: Path, template: Path) -> None:
    """Copy new databases to `template`, atomically."""
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        copy = shutil.copytree(home, Path(folder) / "d1")
        # Another run may have created it meanwhile.
        with contextlib.suppress(OSError):
            copy.rename(template)


def fingerprint(migrations: Path) -> str:
    """Return a hash of the names and contents of all migrations.

    Args:
        migrations: Their folder.
    """
    digest = hashlib.sha256()
    for file in sorted(migrations.glob("*.sql")):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
