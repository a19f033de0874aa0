"""Publishes APIs: `publishing.publish_api`, `unpublish.unpublish_api`, `listing` and `show`.

`record` builds the directory record and `scripts` the script (from `data`, a folder or a URL); both
validate without network access. `plan` compares them with the account, `steps` applies the plan,
and `store` is the only module that calls the account's API.
"""
