"""Usage events, their log in `USAGE_KV`, and the totals made of them.

Other packages may import:

- `events`, `settlements`: the events and their codecs
- `totals`, `aggregate`, `sketches`: totals that merge in any order
- `pages`: reading events, newest first
- `compactor`: rolling up the log; `state`, `summary`, `consistency`: what it has written
"""
