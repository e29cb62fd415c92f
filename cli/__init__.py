"""The command `darkroom`, above everything else: commands, and the rooms that they work in."""
