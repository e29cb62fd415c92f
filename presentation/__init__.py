"""The slides, and how they are made."""
