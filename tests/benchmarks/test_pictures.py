from pathlib import Path

import pytest

from benchmarks.pictures import demo_folder, photographs_in, repeated
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image
from darkroom.images.recognising import looks_like_image
from darkroom.run.folder import walk_folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    demo_folder(folder)
    return folder


def test_the_demo_has_hundreds_of_pictures_and_some_broken_ones(demo: Path) -> None:
    good, bad = 0, []
    for entry in walk_folder(demo):
        data = (demo.parent / entry.key).read_bytes()
        if not looks_like_image(entry.key, data):
            continue
        outcome = read_image(data, (224, 224), Limits())
        if isinstance(outcome, Pixels):
            good += 1
        else:
            bad.append(outcome.reason)
    assert good >= 300
    assert sorted(bad) == ["decode_error", "empty", "not_an_image", "truncated"]


def test_repeated_pictures_differ_in_their_bytes_alone(demo: Path, tmp_path: Path) -> None:
    pictures = photographs_in(demo / "coffee")
    paths = repeated(pictures, 60, tmp_path)
    contents = [path.read_bytes() for path in paths]
    assert len(set(contents)) == 60
    first, again = (read_image(contents[at], (64, 64), Limits()) for at in (3, 28))
    assert isinstance(first, Pixels)
    assert isinstance(again, Pixels)
    assert (first.array == again.array).all()
