"""The command that set-up writes."""

import subprocess
import sys
from pathlib import Path

from dev.layout import Layout
from dev.setup.command_file import ensure_command


def test_it_runs_the_clones_code_and_keeps_bytecode_out_of_the_sources(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "app.py").write_text(
        "import sys\ndef main():\n    print(sys.pycache_prefix)\n    return 3\n"
    )
    ensure_command(layout)
    command = layout.venv / "bin" / "clawr"
    ran = subprocess.run([command], env={}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (3, f"{layout.bytecode}\n"), ran.stderr
    assert not list((tmp_path / "cli").rglob("*.pyc"))
