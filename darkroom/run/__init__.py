"""What belongs to a run: what it was given, how far it is, its account, and its CSV."""
