"""One suite for a port, run against everything that implements it."""
