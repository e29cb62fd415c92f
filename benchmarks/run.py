"""All benchmarks that need no other environment, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> None:
    """`python -m benchmarks.run [--photos FOLDER]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos")
    photos = parser.parse_args().photos
    chosen = ["--photos", photos] if photos else []
    for name, options in (
        ("featurization", chosen),
        ("notebook", chosen),
        ("pca_fit", []),
        ("latency", chosen),
        ("memory", chosen),
    ):
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options], check=True)


if __name__ == "__main__":
    main()
