"""A stand-in for Cloudflare's API: keeps what it is sent in memory, and checks every request."""
