"""The package payments."""
