"""Set-up: brings a fresh clone to the point where a target of the Makefile can run.

Standard library only. `plan` says which steps a target needs, each module below it is
one kind of step, and `stamp` is how a step knows that there is nothing left to do.
"""
