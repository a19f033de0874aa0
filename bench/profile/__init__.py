"""What one request executes: exact counts (`counts`) and samples under load (`samples`)."""
