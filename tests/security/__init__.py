"""Attacks on the real code; each succeeds if its guard is removed."""
