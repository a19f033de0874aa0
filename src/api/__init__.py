"""The package api."""
