"""Made-up history for demonstrations: thirty days that never were, in the log's real form."""
