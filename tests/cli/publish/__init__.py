"""Publishing, on a running `make dev` and on an account."""
