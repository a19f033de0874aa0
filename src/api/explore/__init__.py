"""The package explore."""
