"""The command `clawr`, run in a separate process, as people and scripts run it."""
