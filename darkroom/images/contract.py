"""How bytes become pixels. Features depend on every step of it (a lazy decode alone can cost 0.6 of
cosine similarity), so it has an id, which stands beside the features for ever: in the receipt, and
in the Parquet files' metadata.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contract:
    """Orientation, RGB, alpha on white and bicubic scaling are common to all.

    `least_scale`: a decoder may give a smaller picture of a large image, as long as that is so many
    times the network's input; 0: every pixel is decoded. `honours_profiles`: colours are what a
    person sees, in sRGB; else they are the file's numbers.
    """

    name: str
    version: int
    least_scale: int
    honours_profiles: bool

    @property
    def id(self) -> str:
        """Of name and version; whatever gives other pixels is another version."""
        return f"{self.name}-{self.version}"


# Chosen by `benchmarks/decoding.py`: docs/job.md has the numbers.
DISPLAY = Contract("display", 1, least_scale=3, honours_profiles=True)
# As Keras' `load_img` reads, but for EXIF orientation, which that leaves out.
EXACT = Contract("exact", 1, least_scale=0, honours_profiles=False)


def chosen(exact_decode: bool) -> Contract:
    """The contract by the switch that people have for it."""
    return EXACT if exact_decode else DISPLAY
