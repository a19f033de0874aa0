"""Publishing to a running `make dev` and to an account."""
