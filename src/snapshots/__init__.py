"""The package snapshots."""
