"""`GET /__platform/usage`: reads its parameters, and writes rows as JSON or CSV."""
