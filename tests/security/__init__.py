"""Attacks on the real code, each of which succeeds when the guard against it is taken out."""
