"""What tests share: a small backbone, pictures made on the spot, Spark, an S3 server."""

from __future__ import annotations

import io
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# what a function's environment always has; read when the functions are imported
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "darkroom")
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Darkroom/test")
os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")

import boto3
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli.on_stack.stack import Stack
from darkroom.images.backbone import Backbone, load_backbone
from local_cloud import control
from local_cloud.control import LocalCloud
from tests.left_out import Recorder


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(str(os.getpid())))


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """No test reaches beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise OSError(f"a test tried to reach {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def make_onnx(side: int = 64, dtype: str = "UINT8", pool: int = 8, rank: int = 2) -> bytes:
    """A backbone that averages squares of `pool` pixels: quick, its features can be foretold."""
    from onnx import TensorProto, checker, helper

    cells = (side // pool) ** 2 * 3
    shape = [-1, cells] if rank == 2 else [-1, 3, cells // 3]
    nodes = [
        helper.make_node("Cast", ["images"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["cells"], kernel_shape=[pool, pool], strides=[pool, pool]
        ),
        helper.make_node("Reshape", ["cells", "shape"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "squares",
        [
            helper.make_tensor_value_info(
                "images", getattr(TensorProto, dtype), ["n", side, side, 3]
            )
        ],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", *shape[1:]])],
        [helper.make_tensor("shape", TensorProto.INT64, [len(shape)], shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def onnx_bytes() -> bytes:
    return make_onnx()


@pytest.fixture(scope="session")
def backbone(onnx_bytes: bytes) -> Backbone:
    return load_backbone(onnx_bytes)


@pytest.fixture(scope="session")
def model_file(onnx_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "squares.onnx"
    path.write_bytes(onnx_bytes)
    return path


def picture(seed: int = 0, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A smooth colour picture that compresses like a photograph; another for each seed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 7, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, name: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0) -> bytes:
    return encoded(picture(seed))


def expected_pixels(image: Image.Image, size: tuple[int, int] = (64, 64)) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of `count` pictures in two label folders."""

    def make(count: int, name: str = "spring", first: int = 0) -> Path:
        folder = tmp_path / name
        for seed in range(first, first + count):
            target = folder / ("apple" if seed % 2 else "Pêche plate") / f"{seed}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(jpeg(seed))
        return folder

    return make


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A moto server on loopback; the environment points every S3 client of this process at it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    yield f"http://{host}:{port}"
    patch.undo()
    server.stop()


@dataclass(frozen=True)
class SharedCloud:
    """A local cloud with the stack on it, for all tests that leave it standing; its state is below
    `folder`."""

    folder: Path
    stack: Stack
    environment: dict[str, str]


@pytest.fixture(scope="session")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCloud]:
    from tests.stack.local_stack import local_stack

    folder, before = tmp_path_factory.mktemp("cloud"), dict(os.environ)
    with local_stack(folder) as made:
        _ = made.s3, made.runs, made.queues  # made with these keys, and kept
        news = {name: value for name, value in os.environ.items() if before.get(name) != value}
        for name in news:
            os.environ.pop(name)
        os.environ.update(before)
        yield SharedCloud(folder, made, news)


@pytest.fixture(scope="session")
def stack(shared_cloud: SharedCloud) -> Stack:
    return shared_cloud.stack


@pytest.fixture(scope="session")
def cloud_folder(shared_cloud: SharedCloud) -> Path:
    return shared_cloud.folder


@pytest.fixture(scope="session")
def cloud(shared_cloud: SharedCloud) -> LocalCloud:
    return control.require(shared_cloud.folder / "state")


@pytest.fixture(autouse=True)
def _talk_to_the_shared_cloud(request: pytest.FixtureRequest) -> Iterator[None]:
    """Those tests that use it, and no others."""
    if "shared_cloud" not in request.fixturenames:
        yield
        return
    shared: SharedCloud = request.getfixturevalue("shared_cloud")
    before = dict(os.environ)
    os.environ.update(shared.environment)
    boto3.setup_default_session()  # the former has read other keys
    yield
    os.environ.clear()
    os.environ.update(before)
    boto3.setup_default_session()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What works on the shared cloud is marked so: it may run beside the others."""
    for item in items:
        if "shared_cloud" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")


@pytest.fixture(scope="session")
def spark(s3_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One local session for all tests; its workers see the S3 server."""
    from cli.on_this_machine.home import home
    from local_cloud.spark.session import session

    os.environ.pop("PYTHONWARNINGS", None)
    log = tmp_path_factory.mktemp("spark") / "spark.log"
    with session(2, home(), log) as running:
        yield running


@pytest.fixture(scope="session")
def engine(spark: Any) -> Any:
    """The job's tasks on that session."""
    from emr_serverless_job.on_spark import OnSpark

    return OnSpark(spark)


def _folder(target: Path, seeds: range) -> Path:
    for seed in seeds:
        path = target / ("apple" if seed % 2 else "Pêche plate") / f"{seed}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed))
    (target / "apple" / "empty.jpg").write_bytes(b"")
    (target / "letter.jpg").write_bytes(b"Dear Sir or Madam,")
    return target


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, onnx_bytes: bytes) -> Path:
    """A folder with `results` of spring and autumn; they share one picture, and one name of spring
    has a line break in it. Autumn differs so much that the coordinates' version is the second."""
    from darkroom.layout import Run
    from darkroom.run.csv_export import export_csv
    from darkroom.run.folder import walk_folder
    from darkroom.storage.local import LocalStore
    from darkroom.storage.parquet import COMPONENTS
    from emr_serverless_job.on_threads import OnThreads
    from emr_serverless_job.request import Request
    from emr_serverless_job.run_job import run_job

    base = tmp_path_factory.mktemp("place")
    spring = _folder(base / "spring", range(10, 40))
    (spring / "apple" / "two\nlines.jpg").write_bytes(jpeg(50))
    autumn = _folder(base / "autumn", range(100, 190))
    (autumn / "apple" / "again.jpg").write_bytes(jpeg(13))
    results = LocalStore(base / "results")
    for batch in (spring, autumn):
        run = Run(batch.name, 1)
        request = Request(run, walk_folder(batch), results.uri, onnx_bytes)
        account = run_job(OnThreads(2), request)
        assert account.pca is not None
        export_csv(results, run, account.pca.version, COMPONENTS)
    return base
