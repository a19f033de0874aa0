"""What people read about paying: code that calls and pays an API, and the page of a 402.

- `code_samples`: code for curl, Python and JavaScript
- `payment_page`: the page for those who open the URL of a priced API

Imported when they are needed, because few requests of an isolate do.
"""
