"""Keras' MobileNetV2 to ONNX: pixels in (uint8), features out, preprocessing inside."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.errors import BackboneError, UsageError
from darkroom.images.backbone import backbone_id, load_backbone
from darkroom.model.canonical import canonical_onnx
from darkroom.model.weights import Weights, find_weights

ONNX_NAME = "mobilenet_v2.onnx"
TOLERANCE = 1e-3


@dataclass(frozen=True)
class BuiltModel:
    """The ONNX file and what `model.json` beside it says."""

    path: Path
    description: dict[str, Any]


def build_model(folder: Path, given: Path | None = None) -> BuiltModel:
    """Build `mobilenet_v2.onnx` and `model.json` in `folder`. The same weights give the same id.

    Raises `UsageError` where no weights can be had or the given ones do not fit, `BackboneError`
    where the exported model does not agree with Keras.
    """
    weights = find_weights(given, folder)
    model = keras_model(weights)
    onnx = canonical_onnx(_exported(model))
    difference = _largest_difference(model, onnx)
    if difference > TOLERANCE:
        raise BackboneError(f"the exported model differs from Keras by {difference}")
    description = _describe(onnx, weights, difference)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ONNX_NAME).write_bytes(onnx)
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n")
    return BuiltModel(folder / ONNX_NAME, description)


def cached_model(folder: Path) -> BuiltModel | None:
    """The model built earlier, or None."""
    path, note = folder / ONNX_NAME, folder / "model.json"
    if not (path.is_file() and note.is_file()):
        return None
    description = json.loads(note.read_text())
    intact = description["id"] == backbone_id(path.read_bytes())
    return BuiltModel(path, description) if intact else None


def keras_model(weights: Weights) -> Any:
    """`(n, 224, 224, 3) uint8, RGB` to `(n, 1280) float32`, as a Keras model.

    Preprocessing is Keras' own `mobilenet_v2.preprocess_input`: x / 127.5 - 1.
    """
    import keras
    from keras.applications import mobilenet_v2

    keras.utils.clear_session()
    backbone = mobilenet_v2.MobileNetV2(
        include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
    )
    _load_weights(backbone, weights.path)
    images = keras.Input((224, 224, 3), dtype="uint8", name="images")
    scaled = mobilenet_v2.preprocess_input(keras.ops.cast(images, "float32"))
    return keras.Model(images, backbone(scaled))


def _load_weights(backbone: Any, path: Path) -> None:
    try:
        layers = _layers_of_full_model(path, backbone.layers[1].name)
        if layers is None:
            backbone.load_weights(path)
            return
        for layer in backbone.layers:
            if layer.weights:
                layer.set_weights([_array(layers[layer.name], weight) for weight in layer.weights])
    except Exception as error:  # h5py and Keras raise anything on a foreign file
        raise UsageError(f"{path} does not hold MobileNetV2's weights: {error}") from error


def _layers_of_full_model(path: Path, layer: str) -> dict[str, dict[str, Any]] | None:
    """The arrays of a saved model by layer and name; None for a plain weights file.

    `layer` is a layer's name to know the backbone by among the model's parts.
    """
    import h5py

    with h5py.File(path) as file:
        if "model_weights" not in file:
            return None
        part = next(group for group in file["model_weights"].values() if layer in group)
        return {
            name: {key: part[name][key][()] for key in part[name]}
            for name in part
            if len(part[name])
        }


def _array(arrays: dict[str, Any], weight: Any) -> Any:
    name = weight.name if weight.name in arrays else "kernel"
    return arrays[name].reshape(weight.shape)


def _exported(model: Any) -> bytes:
    model(np.zeros((1, 224, 224, 3), np.uint8))  # Keras exports only a model that was called
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.export(str(path), format="onnx", verbose=False)
        return path.read_bytes()


def _largest_difference(model: Any, onnx: bytes) -> float:
    images = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), np.uint8)
    exported = load_backbone(onnx).embed(images)
    return float(np.abs(exported - np.asarray(model(images))).max())


def _describe(onnx: bytes, weights: Weights, difference: float) -> dict[str, Any]:
    backbone = load_backbone(onnx)
    return {
        "id": backbone.id,
        "architecture": "MobileNetV2, ImageNet, without top, average pooling",
        "weights": {"source": weights.source, "sha256": weights.sha256},
        "input": f"uint8 (n, {backbone.size[1]}, {backbone.size[0]}, 3), RGB",
        "dimensions": backbone.dimensions,
        "largest_difference_to_keras": difference,
        "versions": {name: version(name) for name in ("tensorflow", "keras", "tf2onnx", "onnx")},
    }
