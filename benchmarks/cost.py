"""What batches cost on EMR Serverless, by the measured rates and the template's defaults."""

from __future__ import annotations

from benchmarks.figures import held, memory_gb
from benchmarks.record import save
from darkroom.images.contract import DISPLAY
from functions.submission.job_runs import worker_conf

METHOD = """\
Computed, not billed: no run was made in AWS. Workers are those of the template's defaults, all
there from the first second to the last, the driver too. Their time is one minute to start, the
images at the measured rate a core (end_to_end for 22,688 images of 100x100, featurization for a
million photographs, decoding for a million of 12 megapixels, as they are decoded and exactly), and
the measured PCA stage, which grows with the images. Prices are the
template's (us-east-1's; EU regions differ by some per cent). S3, queues, table and functions come
on top."""
START_SECONDS = 60


def main() -> None:
    """`python -m benchmarks.cost`."""
    small, large = held()["end_to_end"], held()["featurization"]
    pca_seconds = small["seconds"]["job_stages"]["pca"] / small["images"]
    prices = held()["template"]
    vcpu, gigabytes, cores = _workers(prices["MaximumVcpu"], prices["ExecutorCores"])
    numbers: dict[str, object] = {
        "vcpu": vcpu,
        "memory_gb": gigabytes,
        "executor_cores": cores,
    }
    for name, images, rate in (
        ("fruits", small["images"], small["features_images_per_second"] / 2),
        ("million", 1_000_000, large["job_images_per_second"] / 2),
        ("million_of_12_megapixels", 1_000_000, _per_second(f"at_{DISPLAY.least_scale}")),
        ("million_of_12_megapixels_exactly", 1_000_000, _per_second("at_0")),
    ):
        seconds = START_SECONDS + images / (rate * cores) + images * pca_seconds * 2 / cores
        hours = seconds / 3600
        cost = hours * (vcpu * prices["PriceVcpuHour"] + gigabytes * prices["PriceGbHour"])
        numbers[name] = {
            "images": images,
            "seconds": round(seconds),
            "vcpu_hours": round(hours * vcpu, 2),
            "gb_hours": round(hours * gigabytes, 2),
            "cost": round(cost, 3),
        }
    save("cost", METHOD, numbers)


def _per_second(scale: str) -> float:
    return float(1000 / held()["decoding"][scale]["milliseconds"])


def _workers(max_vcpu: int, executor_cores: int) -> tuple[int, int, int]:
    """vCPU and GB of the driver and all executors, and the executors' cores."""
    conf = worker_conf(max_vcpu, executor_cores)
    executors = int(conf["spark.dynamicAllocation.maxExecutors"])
    cores = executors * int(conf["spark.executor.cores"])

    vcpu = int(conf["spark.driver.cores"]) + cores
    return vcpu, memory_gb(conf, "driver") + executors * memory_gb(conf, "executor"), cores


if __name__ == "__main__":
    main()
