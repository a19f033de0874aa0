"""Runs the real payment code against D1, facilitators, a chain and payers at their worst."""
