"""Runs the real domain code against KV at its worst, on a virtual clock, from one seed."""
