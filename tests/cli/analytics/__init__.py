"""The commands that read figures, at a real dispatcher and in real terminals."""
