"""The pipeline of a request to a tenant, and the work that cron starts.

`entry` uses `dispatcher` (responds to one request) and `scheduled` (cron's work).
All other modules are private to this package.
"""
