"""Where objects lie: a folder or a bucket, read and written alike, and tables in them."""
