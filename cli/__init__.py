"""The command `clawr`: publishes APIs, deploys the dispatcher, and shows its analytics.

Runs on the operator's machine. It may import from `src/` (keys, records, events) and from `dev/`
(the clone's layout and set-up); neither imports it. Entry point: `cli.app.main`.

`cli.app` and `cli.commands` define options and help; `cli.publish`, `cli.deploy`, `cli.costs`,
`cli.rollback`, `cli.doctor`, `cli.analytics` and `cli.legacy` implement the commands; the modules
beside them are shared.
"""
