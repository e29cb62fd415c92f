"""The network that turns pixels into features, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from darkroom.errors import BackboneError

_CONTRACT = "a backbone takes uint8 (n, height, width, 3) and gives float32 (n, dimensions)"


@dataclass(frozen=True)
class Backbone:
    """A loaded model. `id` is the SHA-256 of its ONNX file; `size` is (width, height) in pixels."""

    id: str
    size: tuple[int, int]
    dimensions: int
    session: Any

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """`(n, height, width, 3) uint8, RGB` to `(n, dimensions) float32`.

        Four to sixteen images at a time fit the cache best.
        """
        features: NDArray[np.float32] = self.session.run(None, {self._input: images})[0]
        return features

    @property
    def _input(self) -> str:
        return str(self.session.get_inputs()[0].name)


def backbone_id(onnx: bytes) -> str:
    """The identity of a backbone: the SHA-256 of its ONNX file, in hexadecimal."""
    return hashlib.sha256(onnx).hexdigest()


def load_backbone(onnx: bytes) -> Backbone:
    """Load and check a backbone, for one thread (an executor runs one task per core).

    Raises `BackboneError` where the bytes are no ONNX model or the model has another shape.
    """
    session = _session(onnx)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs:
        raise BackboneError(f"the model has {len(inputs)} inputs; {_CONTRACT}")
    return Backbone(
        backbone_id(onnx), _input_size(inputs[0]), _output_dimensions(outputs[0]), session
    )


def _session(onnx: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for each way to be wrong
        raise BackboneError(f"the model file is not a usable ONNX model ({error})") from error


def _input_size(tensor: Any) -> tuple[int, int]:
    shape = list(tensor.shape)
    fits = len(shape) == 4 and shape[3] == 3 and all(isinstance(n, int) for n in shape[1:])
    if tensor.type != "tensor(uint8)" or not fits or isinstance(shape[0], int):
        raise BackboneError(f"the model's input is {tensor.type} {shape}; {_CONTRACT}")
    return shape[2], shape[1]


def _output_dimensions(tensor: Any) -> int:
    shape = list(tensor.shape)
    if tensor.type != "tensor(float)" or len(shape) != 2 or not isinstance(shape[1], int):
        raise BackboneError(f"the model's output is {tensor.type} {shape}; {_CONTRACT}")
    return int(shape[1])
