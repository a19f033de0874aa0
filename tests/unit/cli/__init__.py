"""Tests of the command `clawr`, module by module."""
