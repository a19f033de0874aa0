"""Generates demo history: usage events of past days, in the real format of the log."""
