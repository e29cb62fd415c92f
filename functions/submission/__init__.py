"""From an open run to a submitted job."""
