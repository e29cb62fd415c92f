"""How the work is cut into parts."""

from __future__ import annotations

from darkroom.manifest import Entry
from darkroom.run.folder import walk_folder
from emr_serverless_job import featurize
from emr_serverless_job.listing import list_store
from tests.emr_serverless_job.asking import Photos


def test_parts_cover_the_manifest_in_order() -> None:
    entries = [Entry("s3://b", str(number)) for number in range(5000)]
    for count in (1, 32, 33, 5000):
        parts = featurize.split(entries[:count])
        assert [entry for part in parts for entry in part] == entries[:count]
        assert all(len(part) >= 32 for part in parts[:-1])
    assert featurize.split([]) == []


def test_lists_of_a_store_and_manifests_agree(photos: Photos) -> None:
    folder = photos(6, "my photos 100%")
    walked = [(entry.key, entry.size_bytes) for entry in walk_folder(folder)]
    for uri in (folder.as_uri(), str(folder)):
        listed = list_store(uri)
        assert [(entry.key, entry.size_bytes) for entry in listed] == walked
