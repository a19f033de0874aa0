"""Simulation of payments: the real code against worst-case D1, facilitators, chain and payers."""
