"""The process that local Spark forks its Python workers from: quick to start, and ready.

PySpark's own daemon imports itself from a zip, where Python compiles every module anew, and each
worker then imports the rest. Here the same modules come compiled from where they are installed,
once, before the first fork.
"""

import sys


def main() -> None:
    """Import what the tasks need, then fork workers on Spark's demand."""
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(".zip")]

    import pyspark.daemon
    import pyspark.sql.pandas.serializers

    import emr_serverless_job.coordinates
    import emr_serverless_job.featurize  # noqa: F401

    pyspark.daemon.manager()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
