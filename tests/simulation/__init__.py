"""Simulation: runs the real code against worst-case stores, on a virtual clock, from a seed."""
