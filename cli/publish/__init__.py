"""From a file to an API: what is published, what it becomes, and how it gets there.

Reading and checking sends nothing; `store` is the only module that speaks to an account.
"""
