"""What each module of `cli/` promises."""
