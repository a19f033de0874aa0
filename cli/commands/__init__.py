"""The commands of `clawr`: options and help, one module for each command or group.

`cli.app` adds them. Each imports its implementation when it runs, so that help and shell
completion start quickly.
"""
