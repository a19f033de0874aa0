"""Routes that the dispatcher serves itself: the platform API, the public page and its data.

`entry` and `gateway` may import:

    platform    `PlatformApi`, everything below `/__platform`
    routes      the table of routes
    explore     the public page and `/api/explore/analytics`

`auth`, `tokens` and `throttling` authorize platform requests; `health`, `invariants`,
`metrics` and `openmetrics` build reports; `spec` and `pagination` read parameters.
"""
