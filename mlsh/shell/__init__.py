"""Text for people: made harmless, laid out, and read back (durations, words)."""
