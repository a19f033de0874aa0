"""Usage events, their log, and the totals made of them.

Other packages may import:

- `events`, `settlements`: the events and their codecs
- `batches`, `segments`: how events are sent and stored
- `totals`, `aggregate`, `sketches`: totals that merge in any order
- `parts`, `rollups`: totals of open and of folded days, as a reader gets them
- `shard`: one shard of the log
"""
