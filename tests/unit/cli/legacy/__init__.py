"""Tests of `cli.legacy`."""
