"""The job's first stage against the notebook that it grew from."""

from __future__ import annotations

import argparse
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from pyspark import Broadcast
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, element_at, split
from pyspark.sql.pandas.functions import pandas_udf

from benchmarks.featurization import CORES, job_rate
from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model, home
from darkroom.model.export import keras_model
from darkroom.model.weights import find_weights
from darkroom.run.folder import walk_folder
from local_cloud.spark.session import session

NOTEBOOK_IMAGES, JOB_IMAGES, ROUNDS, PARTITIONS = 1000, 4000, 2, 24
METHOD = (
    f"images/s on {CORES} cores, Spark session up; notebook: binaryFile, repartition({PARTITIONS}),"
    " a pandas UDF over an iterator of series with Keras' MobileNetV2 built per task from broadcast"
    f" weights, predict, write.parquet, {NOTEBOOK_IMAGES} images, the JVM's optimising compiler on;"
    f" job: its features stage, {JOB_IMAGES} images; rounds alternate, medians"
)


def features_udf(weights: Broadcast[list[Any]]) -> Any:
    """The notebook's function: series of bytes in, series of feature lists out."""

    def featurize(contents: Iterator[pd.Series]) -> Iterator[pd.Series]:
        from keras.applications.mobilenet_v2 import MobileNetV2, preprocess_input
        from PIL import Image

        model = MobileNetV2(
            include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
        )
        model.set_weights(weights.value)
        for series in contents:
            images = [
                np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224)))
                for data in series
            ]
            batch = preprocess_input(np.stack(images).astype(np.float32))
            yield pd.Series(list(model.predict(batch, verbose=0)))

    featurize.__annotations__ = {
        "contents": Iterator[pd.Series],
        "return": Iterator[pd.Series],
    }
    return pandas_udf(featurize, "array<float>")  # type: ignore[call-overload]


def run_notebook(spark: SparkSession, folder: Path, weights: list[Any], out: Path) -> float:
    """Images/s of the notebook's way, from reading to Parquet."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1024")
    embed = features_udf(spark.sparkContext.broadcast(weights))
    started = perf_counter()
    images = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", "*.jpg")
        .load(str(folder))
    )
    labelled = images.withColumn("label", element_at(split(col("path"), "/"), -2))
    features = labelled.repartition(PARTITIONS).select(
        col("path"), col("label"), embed(col("content")).alias("features")
    )
    features.write.mode("overwrite").parquet(str(out))
    return NOTEBOOK_IMAGES / (perf_counter() - started)


def main() -> None:
    """`python -m benchmarks.notebook [--photos FOLDER]`."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    pictures = photographs_in(parser.parse_args().photos)
    few, many = (Path(f".bench/images-{n}").absolute() for n in (NOTEBOOK_IMAGES, JOB_IMAGES))
    repeated(pictures, NOTEBOOK_IMAGES, few)
    repeated(pictures, JOB_IMAGES, many)
    onnx = ensure_model().path.read_bytes()
    weights = keras_model(find_weights(None, home() / "model")).layers[-1].get_weights()
    out = Path(".bench/out-notebook").absolute()
    notebook, job = [], []
    for _ in range(ROUNDS):
        shutil.rmtree(out, ignore_errors=True)
        with session(CORES, home(), out / "spark.log", jvm_options="-XX:+UseG1GC") as spark:
            notebook.append(run_notebook(spark, few, weights, out / "Results"))
        job.append(job_rate(walk_folder(many), onnx, Path(".bench/out")))
    numbers = {
        "notebook_images_per_second": middle(notebook),
        "job_images_per_second": middle(job),
        "times_faster": round(middle(job) / middle(notebook), 2),
    }
    save("notebook", METHOD, numbers)


if __name__ == "__main__":
    main()
