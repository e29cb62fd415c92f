import numpy as np
import pytest

from darkroom.errors import BackboneError
from darkroom.images.backbone import Backbone, load_backbone
from tests.conftest import make_onnx


def test_shape_and_identity_come_from_the_file(backbone: Backbone, onnx_bytes: bytes) -> None:
    assert backbone.size == (64, 64)
    assert backbone.dimensions == 192
    assert backbone.id == load_backbone(onnx_bytes).id
    assert backbone.id != load_backbone(make_onnx(pool=16)).id


def test_features_are_what_the_graph_says(backbone: Backbone) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    squares = images.reshape(3, 8, 8, 8, 8, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert np.allclose(backbone.embed(images), squares.reshape(3, -1), rtol=1e-5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"not a model", "not a usable ONNX model", id="not-onnx"),
        pytest.param(b"", "not a usable ONNX model", id="empty"),
        pytest.param(make_onnx(dtype="FLOAT"), r"input is tensor\(float\)", id="wrong-input"),
        pytest.param(make_onnx(rank=3), "output is", id="wrong-output"),
    ],
)
def test_other_files_are_refused_with_the_contract(data: bytes, message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        load_backbone(data)
