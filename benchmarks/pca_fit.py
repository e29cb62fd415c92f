"""Fitting 50 components from merged statistics against `pyspark.ml.feature.PCA`."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
from pyspark.ml.feature import PCA
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

from benchmarks.record import middle, save
from cli.on_this_machine.home import home
from darkroom.coordinates import pca
from darkroom.coordinates.vectors import vector_column
from darkroom.layout import part_file
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import to_parquet
from emr_serverless_job.coordinates import run_statistics
from emr_serverless_job.on_spark import OnSpark
from local_cloud.spark.session import session

VECTORS, DIMENSIONS, FILES, ROUNDS = 20_000, 1280, 20, 3
METHOD = (
    f"{VECTORS:,} x {DIMENSIONS} float32 in {FILES} Parquet files to 50 components, on 2 cores, "
    "in one session with the JVM's optimising compiler on; ours: statistics by Spark tasks, merge "
    "and eigendecomposition on the driver; theirs: spark.read.parquet, array_to_vector, "
    "pyspark.ml.feature.PCA.fit; rounds alternate after one warm-up of each, medians"
)


def write_features(store: LocalStore) -> list[str]:
    """Features like a network's: not negative, correlated, of falling variance."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(200, DIMENSIONS)) * 0.97 ** np.arange(200)[:, None]
    keys = []
    for number in range(FILES):
        hidden = random.normal(size=(VECTORS // FILES, 200))
        noise = random.normal(scale=0.1, size=(VECTORS // FILES, DIMENSIONS))
        vectors = np.maximum(hidden @ mixing * 0.1 + noise + 0.3, 0).astype(np.float32)
        key = f"Results/{part_file(number)}"
        store.write(key, to_parquet(pa.table({"features": vector_column(vectors)})))
        keys.append(key)
    return keys


def fit_ours(spark: SparkSession, store: LocalStore, keys: list[str]) -> pca.Pca:
    """What the job does."""
    statistics = run_statistics(OnSpark(spark), store.uri, keys)
    if statistics is None:
        raise SystemExit("no features to fit")
    return pca.fit(statistics)


def fit_theirs(spark: SparkSession, store: LocalStore) -> tuple[np.ndarray, np.ndarray]:
    """Components `(50, d)` and explained variance of Spark's own PCA."""
    frame = spark.read.parquet(f"{store.uri}/Results")
    vectors = frame.select(array_to_vector(col("features")).alias("v"))
    model = PCA(k=50, inputCol="v", outputCol="p").fit(vectors)
    return model.pc.toArray().T, model.explainedVariance.toArray()


def main() -> None:
    """`python -m benchmarks.pca_fit`."""
    folder = Path(".bench/pca").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    store = LocalStore(folder)
    keys = write_features(store)
    ours_seconds, their_seconds = [], []
    with session(2, home(), folder / "spark.log", jvm_options="-XX:+UseParallelGC") as spark:
        for _ in range(ROUNDS + 1):
            started = perf_counter()
            ours = fit_ours(spark, store, keys)
            between = perf_counter()
            components, variance = fit_theirs(spark, store)
            ours_seconds.append(between - started)
            their_seconds.append(perf_counter() - between)
    outside = components.T - ours.components.T @ (ours.components @ components.T)
    numbers = {
        "ours_seconds": middle(ours_seconds[1:]),
        "spark_ml_seconds": middle(their_seconds[1:]),
        "times_faster": round(middle(their_seconds[1:]) / middle(ours_seconds[1:]), 2),
        "subspace_difference": float(np.linalg.norm(outside)),
        "explained_variance_difference": float(
            np.abs(ours.explained_variance_ratio - variance).max()
        ),
    }
    save("pca_fit", METHOD, numbers)


if __name__ == "__main__":
    main()
