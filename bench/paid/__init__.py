"""The cost of a paid request, compared with the official middleware.

`measuring` measures both, `round_trips` counts the calls of a payment, `tables` shows them.
"""
