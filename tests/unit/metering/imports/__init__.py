"""Tests of `metering.imports`."""
