"""The tests; where one lives tells what it needs."""
