"""What commands do on a deployed stack, in AWS or on this machine alike."""
