"""Long and heavy load on the dispatcher: soak and overload."""
