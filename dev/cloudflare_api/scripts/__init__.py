"""Uploaded scripts: parsing an upload, and storing it as a folder that the dispatcher serves."""
