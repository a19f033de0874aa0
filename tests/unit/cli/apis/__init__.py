"""Tests of `cli.apis`."""
