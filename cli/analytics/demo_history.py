"""Finds out whether a dispatcher's totals include generated demo history."""

from cli.errors import CommandError
from cli.platform import Platform

NOTICE = "The totals include generated demo history (make demo HISTORY=…), not only real traffic."

_CODE = "demo_data"
"""The notice of the health report."""


def has_demo_history(platform: Platform) -> bool:
    """Return whether the dispatcher says that its log has demo history; false if it cannot say."""
    try:
        report = platform.get("/__platform/health")
    except CommandError:
        # Analytics may be public while the health report needs a token.
        return False
    notices = report.get("notices")
    listed = notices if isinstance(notices, list) else []
    return any(isinstance(one, dict) and one.get("code") == _CODE for one in listed)
