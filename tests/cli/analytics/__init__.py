"""The commands that read analytics, against a real dispatcher and in real terminals."""
