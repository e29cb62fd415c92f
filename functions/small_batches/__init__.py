"""Small batches, worked without a cluster."""
