"""How fast, how much memory, against what: each number a ratio within one run."""
