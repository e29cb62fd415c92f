"""Erasures as runs: who waits for whom, their last steps, and what is signed."""
