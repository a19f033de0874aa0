"""The package runtime."""
