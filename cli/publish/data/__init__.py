"""Reads datasets into tables of typed columns: `csv_table`, `json_table`, and `table` for both."""
