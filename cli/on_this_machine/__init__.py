"""The whole job on a folder without any cloud, and what Darkroom keeps on this machine for it."""
