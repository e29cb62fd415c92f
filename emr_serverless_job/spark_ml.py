"""The basis by `pyspark.ml`, which needs all vectors each time: the oracle of the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.ml.feature import PCA
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

from darkroom.coordinates import pca
from darkroom.coordinates.pca import Pca
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet
from emr_serverless_job.engine import rows_of
from emr_serverless_job.on_spark import Settled, one_task_per_row


def fit_with_spark(spark: SparkSession, output: str, files: list[str], own: Pca) -> Pca:
    """The same basis as `own`, of the same features files, with `own`'s signs."""
    vectors = read_features(spark, output, files).select(
        array_to_vector(col("features")).alias("v")
    )
    model = PCA(k=own.rank, inputCol="v", outputCol="p").fit(vectors) if own.rank else None
    components, ratio = np.zeros_like(own.components), np.zeros_like(own.explained_variance_ratio)
    if model is not None:
        components[: own.rank] = model.pc.toArray().T
        ratio[: own.rank] = model.explainedVariance.toArray()
    return pca.align_signs(replace(own, components=components, explained_variance_ratio=ratio), own)


def read_features(spark: SparkSession, output: str, files: list[str]) -> DataFrame:
    """The features in the files, as a DataFrame of arrays; one task a file."""
    work = one_task_per_row(spark, pa.table({"file": files}))
    return work.mapInArrow(Settled(_ReadTask(output)), "features array<float>")


@dataclass(frozen=True)
class _ReadTask:
    """Features files in, their vectors out."""

    output: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        for row in rows_of(batches):
            yield from from_parquet(store.read(str(row["file"])), ["features"]).to_batches()
