"""From S3 events to open runs."""
