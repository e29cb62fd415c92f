"""Working again what failed: runs, rejected images, dead letters."""
