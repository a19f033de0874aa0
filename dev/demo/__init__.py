"""The demo marketplace: the scripts of its APIs (`namespace`), and traffic that calls them."""
