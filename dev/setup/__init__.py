"""Set-up: installs what the targets of the Makefile need.

Uses only the standard library. `plan` lists the steps of each target; the other modules
implement them. `stamp` tells whether a step has been done.
"""
