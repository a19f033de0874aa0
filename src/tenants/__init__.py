"""The package tenants."""
