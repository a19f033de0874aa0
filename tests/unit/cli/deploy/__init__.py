"""Tests of `cli.deploy`."""
