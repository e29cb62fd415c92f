"""Building the default backbone: MobileNetV2 as ONNX, once."""
