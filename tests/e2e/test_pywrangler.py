"""pywrangler, the tool that deploys Python Workers, can deploy a clone."""

import os
import subprocess
from pathlib import Path

from dev.layout import HERE


def test_a_dry_deployment_needs_no_sync_and_no_development_flag(tmp_path: Path) -> None:
    # The virtual environment has `npx` if set-up installed Node; else the machine has it.
    programs = os.pathsep.join([str(HERE.venv / "bin"), os.environ["PATH"]])
    out = tmp_path / "out"
    completed = subprocess.run(
        ["pywrangler", "deploy", "--dry-run", "--outdir", str(out)],  # noqa: S607
        cwd=HERE.root,
        env={**os.environ, "PATH": programs, "WRANGLER_SEND_METRICS": "false"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert (out / "entry.py").exists()
    assert "Dispatch Namespace" in completed.stdout
    assert "unsafe" not in completed.stdout + completed.stderr
