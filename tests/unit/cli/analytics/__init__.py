"""Tests of `cli.analytics`."""
