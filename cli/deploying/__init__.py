"""Bringing a stack into an account, up to date, into shape, and out again."""
