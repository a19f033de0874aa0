"""Usage by API and UTC day, in the database of a shard: what dashboards and invoices ask for.

Other packages may import:

- `ranges`: which usage is wanted, and what a shard returns
- `callers`: the busiest callers of an API
"""
