"""The package sketches."""
