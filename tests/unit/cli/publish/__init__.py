"""Tests of `cli.publish`."""
