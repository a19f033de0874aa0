"""The checks of `clawr doctor`: this machine, `make dev`, the account, and the dispatcher.

Each module but `check` yields `Check`s for one part; `check` shows them. `cli.commands.doctor` runs
them all.
"""
