"""Brings the event list of the single-value log, as older dispatchers kept it, into the log.

    file ──► entries ──► event (each entry checked) ──► identified ──► batches ──► KV ──► compaction

Every event gets a batch of its own, whose key follows from the event. So importing is putting
the same keys again, however a list is split, overlapped or repeated: nothing is read to be
changed, and nothing is counted twice, also when the batches have expired since.
"""
