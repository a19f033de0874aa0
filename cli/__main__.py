"""Runs `clawr` as `python -m cli`."""

import sys

from cli.app import main
from dev.layout import HERE

sys.path.insert(0, str(HERE.root / "src"))
sys.exit(main())
