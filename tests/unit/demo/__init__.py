"""The demonstration: its scripts, its directory, its traffic and its command."""
