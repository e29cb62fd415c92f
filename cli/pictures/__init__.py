"""Drawing a finished run: its map, and the pictures of the slides."""
