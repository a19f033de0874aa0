"""Returns a deployed dispatcher to an earlier version. Entry point: `run.roll_back`."""
