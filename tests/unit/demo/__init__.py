"""Tests of the demo: scripts, tenant directory, traffic and command."""
