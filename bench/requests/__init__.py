"""The cost of a request, compared with what people would use instead.

`comparison` measures, `figures` and `bodies` have the results, `ratios` and `tables` show them.
"""
