"""The demonstration marketplace: APIs to dispatch to, and traffic that calls them."""
