"""The HTTP routes, one module for each product of the API; `ports` has the stores they use."""
