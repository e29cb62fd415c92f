"""Darkroom's core: images, backbone, statistics, PCA, layout, receipt. No Spark, no AWS wiring."""

__version__ = "0.1.0"
