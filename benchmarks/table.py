"""The README's table of measured numbers, from the results' files: `python -m benchmarks.table`."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS


def _numbers(name: str) -> dict[str, Any]:
    numbers: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())["numbers"]
    return numbers


Row = tuple[str, str, str]  # what was measured, the number, and the target


def _of_the_job() -> list[Row]:
    speed, fit, wait = _numbers("featurization"), _numbers("pca_fit"), _numbers("latency")
    workers = _numbers("memory")["megabytes"]
    return [
        (
            "features stage against bare processes with the same model and decoder",
            f"{speed['ratio']:.2f} ({speed['job_images_per_second']:.0f} of "
            f"{speed['bare_images_per_second']:.0f} images/s)",
            "0.90",
        ),
        (
            "features stage against the notebook's way (binaryFile, Keras `predict`)",
            f"{_numbers('notebook')['times_faster']:.1f} times as fast "
            f"({_numbers('notebook')['notebook_images_per_second']:.0f} images/s)",
            "6",
        ),
        (
            "PCA fit, 20,000 x 1280, against `pyspark.ml.feature.PCA`",
            f"{fit['times_faster']:.1f} times as fast (subspace difference "
            f"{fit['subspace_difference']:.0e}, explained variance "
            f"{fit['explained_variance_difference']:.0e})",
            "4",
        ),
        (
            "30 ms added to every read",
            f"{wait['ratio']:.2f} of the rate without",
            "0.85",
        ),
        (
            "peak memory of a Python worker, 2,000 and 20,000 images",
            f"{workers['2000']['worker']} MB and {workers['20000']['worker']} MB",
            "700 MB, within 10 %",
        ),
    ]


def _of_the_rivals() -> list[Row]:
    few, large = _numbers("rivals-1600"), _numbers("photographs")
    return [
        (
            "`darkroom run`, the whole process, against Daft and Ray Data, 1,600 images",
            _against(few),
            "1.0, 1.3",
        ),
        ("the same, 600 photographs of 12 megapixels", _against(large), "3, 3"),
    ]


def _against(numbers: dict[str, Any]) -> str:
    """Darkroom against the faster of each rival's two ways; in threads, and on Spark."""
    seconds, spark = numbers["seconds"], numbers["times_as_fast_on_spark"]
    daft, ray = numbers["times_as_fast_as_daft"], numbers["times_as_fast_as_ray"]
    return (
        f"{daft:.2f} and {ray:.2f} times as fast ({seconds['darkroom']:.0f} s); "
        f"on Spark {spark['daft']:.2f} and {spark['ray']:.2f}"
    )


def _of_the_cloud() -> list[Row]:
    lanes = _numbers("lanes")
    many, aws = lanes["together"][-1], lanes["crossover"]
    small = {row["lane"]: row for row in lanes["lanes"] if row["images"] == 100}
    whole, csv, gone = _numbers("end_to_end"), _numbers("csv_export"), _numbers("erasure")
    return [
        (
            f"{whole['images']:,} photos of 100x100, from the first upload to CSV and catalog, "
            "local cloud",
            f"{whole['seconds']['all']:.0f} s, of which upload {whole['seconds']['upload']:.0f} s; "
            f"features stage {whole['ratio']:.2f} of the job's alone",
            "one balanced run",
        ),
        (
            f"{many['batches']} batches of 100 photos of 100x100, dropped at once, local cloud",
            f"{many['seconds']:.0f} s, {many['jobs']} jobs; with a job each, one after the other: "
            f"{many['alone_seconds']:.0f} s; {lanes['cost_ratio']} times the cost of one batch",
            "3 jobs, 1.5 times",
        ),
        (
            "a batch of 100 of them, from its closing until it is done, in the function for small "
            "batches; on Spark",
            f"{small['small']['seconds']} s; {small['spark']['seconds']} s, local cloud (in AWS "
            f"{aws['aws_seconds_of_100']:.0f} s and 150 s, computed)",
            "10 s; 20 s in AWS",
        ),
        (
            f"CSV of {csv['rows']:,} rows x 50",
            f"{csv['export']['seconds']:.0f} s, {csv['export']['megabytes']} MB "
            f"({csv['times_as_fast']:.1f} times as fast as pandas)",
            "60 s, 512 MB",
        ),
        (
            f"erasing 1 of {gone['images']:,} images in {gone['files']} files, from the request to "
            "the certificate, with a new PCA version, local cloud",
            f"{gone['seconds']:.0f} s; {gone['changed']} features file changed",
            "60 s, 1 file",
        ),
    ]


def _of_the_page() -> list[Row]:
    found, page = _numbers("explore"), _numbers("page")
    seconds, megabytes = found["seconds"], found["megabytes"]
    return [
        (
            f"12 similar of {found['images']:,} images, exact, warm (first time)",
            f"{seconds['warm'] * 1000:.0f} ms ({seconds['cold']:.1f} s), "
            f"{megabytes['similar']} MB; "
            f"{found['times_as_fast_as_scikit_learn']:.1f} times as fast as scikit-learn",
            "1 s, 512 MB",
        ),
        (
            f"map of {page['points']:,} points in a browser without a graphics card: first paint, "
            "frames while it moves",
            f"{page['first_paint_seconds']:.1f} s, {page['frames_per_second']:.0f} a second "
            f"({page['reference_frames_per_second']:.0f} if drawn anew each time)",
            "3 s, 30",
        ),
    ]


def _of_the_scale() -> list[Row]:
    scale = _numbers("scale")
    look = next(row for row in scale["looks"] if row["images"] == 1_000_000)
    history = scale["next_run"][-1]
    return [
        (
            f"{look['images']:,} images in {look['runs']:,} runs: the first look at all of them; "
            "12 similar; the map",
            f"{look['requests']} requests, {look['megabytes']} MB (in a function "
            f"{look['function_seconds']} s, computed); {look['similar_seconds']:.1f} s; "
            f"{look['map_seconds']:.1f} s, {look['peak_megabytes']} MB",
            "2 s warm, 1,769 MB",
        ),
        (
            f"statistics for the run after {history['runs']:,} runs of 100 images",
            f"{history['after']['megabytes']} MB in {history['after']['seconds']} s; run by run "
            f"{history['before']['megabytes']} MB in {history['before']['seconds']:.0f} s",
            "as after ten",
        ),
    ]


def _of_the_answers() -> list[Row]:
    drift, soak = _numbers("drift"), _numbers("soak")
    largest, first, last = drift["sizes"][-1], soak["windows"][0], soak["windows"][-1]
    draws = drift["draws"]
    return [
        (
            f"drift: batches of {largest['images']:,} photographs, a quarter of them of other "
            "things; of the same things",
            f"{largest['found']['25%']} of {draws} found; {largest['false_alarms']} of {draws} "
            f"false alarms; {drift['seconds']} s",
            "1 s",
        ),
        (
            f"{last['batches']} batches, one after the other, with an erasure now and then: the "
            "last 50 against the second; memory after the first and the last",
            f"{soak['ratio']} of the time; {first['megabytes']:,} and {last['megabytes']:,} MB; "
            f"{len(soak['traces'])} traces of what was erased",
            "1.1",
        ),
    ]


def table() -> str:
    """The rows in Markdown."""
    lines = ["| what | measured | target |", "|---|---|---|"]
    groups = (
        _of_the_job,
        _of_the_rivals,
        _of_the_cloud,
        _of_the_page,
        _of_the_scale,
        _of_the_answers,
    )
    rows = [row for group in groups for row in group()]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    print(table())
