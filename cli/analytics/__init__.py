"""Shows analytics, events and reconciliations in a terminal, and rebuilds totals.

`snapshot` and `event_log` read the platform API, `watching` polls it, `*_view`, `event_lines` and
`formatting` draw, `live_display` and `event_output` print. Others may import `formatting`.
"""
