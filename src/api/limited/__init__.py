"""Tokens that are limited to certain tenants: where creators' are stored, and what they see."""
