"""What belongs to a run: the folder it is given, how far it is, its account, and its CSV."""
