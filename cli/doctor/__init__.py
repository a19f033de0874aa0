"""The checks of `clawr doctor`: this machine, `make dev`, the account, facilitators, dispatcher.

Each module but `check` yields `Check`s for one part; `check` shows them. `cli.commands.doctor` runs
them all.
"""
