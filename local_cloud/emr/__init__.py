"""EMR Serverless on this machine: applications, job runs, and `spark-submit` for each."""
