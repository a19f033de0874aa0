"""Tests of `cli.costs`."""
