"""Encoded images in memory, in open files and in datasets, read as files are."""

import io
import pickle
from collections import UserList
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_helpers import Items, read_all
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import ConcatDataset, Subset

from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ContentSource, PathSource, as_image_source


@pytest.fixture
def contents(paths):
    return [Path(path).read_bytes() for path in paths]


def reason(item):
    source = as_image_source([item])
    with pytest.raises(ImageReadError) as caught:
        source[0]
    assert caught.value.failures == source.unreadable()
    return caught.value.failures[0].reason


# Bytes and open files


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_bytes(contents, rgb, paths, kind):
    source = as_image_source(list(map(kind, contents)))
    assert type(source) is ContentSource
    assert source.unreadable() == []
    assert_array_equal(read_all(source), rgb)
    assert source.name(2) == "X[2]"
    assert source.identity(0) == as_image_source(paths).identity(0)


def test_open_files_stay_where_they_are(paths, rgb):
    with open(paths[0], "rb") as first, open(paths[1], "rb") as other:
        first.seek(3)
        source = as_image_source([first, other])
        assert_array_equal(read_all(source), rgb[:2])
        assert source.name(1) == paths[1]
        assert (first.tell(), other.tell()) == (3, 0)


def test_threads_read_one_open_file_at_once(paths, rgb):
    with open(paths[0], "rb") as file:
        source = as_image_source([file] * 200)
        with ThreadPoolExecutor(8) as pool:
            images = list(pool.map(source.__getitem__, range(200)))
    assert_array_equal(images, np.repeat(rgb[:1], 200, axis=0))


def test_files_that_cannot_be_read(paths, tmp_path):
    with open(paths[0], "rb") as closed:
        pass
    assert "closed file" in reason(closed)
    with open(tmp_path / "text.txt", "w+") as text:
        text.write("text")
        text.flush()
        assert reason(text) == 'opened as text: open it with mode "rb"'
    assert reason(b"") == "empty, zero bytes"
    assert reason(b"text") == "not an image that PIL knows"
    assert (
        reason({"bytes": None, "path": None})
        == "no image: neither bytes nor a path is given"
    )
    assert reason({"bytes": None, "path": "none.png"}) == "no such file"


def test_a_stream_that_is_read_once(contents):
    class Stream(io.BytesIO):
        def seekable(self):
            return False

    assert reason(Stream(contents[0])) == (
        "a stream that can be read only once: pass file.read()"
    )


# Collections


def test_paths_with_labels(paths, rgb):
    source = as_image_source([(path, i) for i, path in enumerate(paths)])
    assert type(source) is PathSource
    assert_array_equal(read_all(source), rgb)


@pytest.mark.parametrize("wrap", [UserList, lambda items: np.array(items)[::1]])
def test_whatever_is_indexed_like_a_list(paths, rgb, wrap):
    assert_array_equal(read_all(as_image_source(wrap(paths))), rgb)


def test_a_pandas_index_of_paths(paths, rgb):
    index = pytest.importorskip("pandas").Index(paths)
    assert_array_equal(read_all(as_image_source(index)), rgb)


class Folder(Items):
    def __init__(self, paths):
        super().__init__([(Image.open(path).convert("RGB"), 0) for path in paths])
        self.samples = [(path, 0) for path in paths]


def test_names_of_parts_of_a_folder(paths, rgb):
    parts = [Subset(Folder(paths), [3, 1]), Folder(paths[:1]), Items([rgb[0]])]
    source = as_image_source(ConcatDataset(parts))
    names = [source.name(i) for i in range(len(source))]
    assert names == [paths[3], paths[1], paths[0], "X[3]"]
    assert_array_equal(read_all(source), rgb[[3, 1, 0, 0]])


# Hugging Face


@pytest.fixture
def dataset(contents):
    datasets = pytest.importorskip("datasets")
    rows = [{"bytes": c, "path": f"{i}.png"} for i, c in enumerate(contents)]
    rows[2]["path"] = None
    data = datasets.Dataset.from_dict({"photo": [*rows, None]})
    return data.cast_column("photo", datasets.Image())


def test_rows_of_hugging_face(dataset, rgb, paths):
    source = as_image_source(dataset)
    assert [source.name(i) for i in range(5)] == [
        "0.png", "1.png", "X[2]", "3.png", "X[4]",
    ]  # fmt: skip
    assert_array_equal([source[i] for i in range(4)], rgb)
    assert source.identity(1) == as_image_source(paths).identity(1)
    (failure,) = source.unreadable()
    assert failure.row == 4
    assert failure.reason == "no image: neither bytes nor a path is given"
    again = pickle.loads(pickle.dumps(source))
    assert_array_equal(again[1], rgb[1])


def test_threads_read_rows_of_hugging_face(dataset, rgb):
    source = as_image_source(dataset.select([0, 1, 2, 3] * 20))
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(source.__getitem__, range(80)))
    assert_array_equal(images, np.tile(rgb, (20, 1, 1, 1)))


def test_a_transform_of_hugging_face_is_applied(dataset, rgb):
    def invert(rows):
        return {"photo": [255 - np.asarray(image) for image in rows["photo"]]}

    source = as_image_source(dataset.select(range(4)).with_transform(invert))
    assert_array_equal(read_all(source), 255 - rgb)


def test_a_transform_that_drops_the_images(dataset):
    other = dataset.with_transform(lambda rows: {"x": [1 for _ in rows["photo"]]})
    with pytest.raises(TypeError, match="must return the images as 'photo'; got 'x'"):
        as_image_source(other)


def test_an_empty_dataset(dataset):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        as_image_source(dataset.select([]))


def test_columns_of_hugging_face_that_are_no_images(dataset, paths, rgb):
    datasets = pytest.importorskip("datasets")
    files = datasets.Dataset.from_dict({"file": paths, "id": [0, 1, 2, 3]})
    assert_array_equal(read_all(as_image_source(files["file"])), rgb)
    with pytest.raises(TypeError, match="got Column"):
        as_image_source(files["id"])
