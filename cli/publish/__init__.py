"""Publishes APIs: `publishing.publish_api` and `unpublish.unpublish_api`.

`store.open_store` opens the directory and the scripts of an account or of `make dev`.
"""
