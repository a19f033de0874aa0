"""How the dispatcher bears long and heavy load: soak and overload."""
