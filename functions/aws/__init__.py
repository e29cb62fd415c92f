"""The edges to AWS: settings, regions, a bucket, logs, and what its errors mean."""
