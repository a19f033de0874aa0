"""The public page `/explore` and the data it shows, `/api/explore/analytics`.

`gateway` and `entry` may import:

    assets      the page's files
    route       `Explore`, the data

`api.health` also imports `sources`, to check its settings. `cache` and `sanitize` are internal.
"""
