"""The pipeline of a request to a tenant, and the work that cron starts.

`entry` uses `dispatcher` (responds to one request) and `scheduled` (cron's work).
Tools import `request_context` for how callers are identified and hashed.
All other modules are private to this package.
"""
