"""`python -m cli`: the same as `clawr`."""

import sys

from cli.app import main

sys.exit(main())
