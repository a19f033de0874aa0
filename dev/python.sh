#!/bin/sh
# Runs Python with the arguments given, choosing an interpreter that the locks cover.
# Python 3.15 and newer come last: compiled packages may have no wheels for them yet.
set -u

covered='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
newer='import sys; sys.exit(sys.version_info[:2] < (3, 11))'

for check in "$covered" "$newer"; do
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c "$check" >/dev/null 2>&1; then
            exec "$name" "$@"
        fi
    done
done

echo "error: Python 3.11 or newer is needed and was not found: install it (Debian: apt-get install python3 python3-venv; macOS: brew install python@3.13), then run the same command again." >&2
exit 1
