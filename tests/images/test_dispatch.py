import array
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from image_helpers import Items, channels_first, read_all
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from sklearn_scan.images import (
    ArraySource,
    DatasetSource,
    PathSource,
    PILSource,
    as_image_source,
    is_image_input,
)

# Accepted


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [
        (ArraySource, lambda rgb: rgb),
        (ArraySource, channels_first),
        (DatasetSource, list),
        (DatasetSource, tuple),
        (DatasetSource, lambda rgb: list(channels_first(rgb))),
        (DatasetSource, lambda rgb: TensorDataset(channels_first(rgb))),
        (DatasetSource, lambda rgb: Items([(image, 0) for image in rgb])),
        (DatasetSource, lambda rgb: Items([Image.fromarray(i) for i in rgb])),
        (DatasetSource, lambda rgb: [(Image.fromarray(i), 0) for i in rgb]),
        (DatasetSource, lambda rgb: [(t, 0) for t in channels_first(rgb)]),
        (PILSource, lambda rgb: [Image.fromarray(i) for i in rgb]),
    ],
)
def test_every_container_gives_the_same_images(rgb, kind, wrap):
    source = as_image_source(wrap(rgb))
    assert type(source) is kind
    assert len(source) == len(rgb)
    assert_array_equal(read_all(source), rgb)
    assert source[0].dtype == np.uint8
    assert source.float_range is None
    assert source.unreadable() == []
    assert as_image_source(source) is source


@pytest.mark.parametrize(
    "wrap",
    [
        list,
        tuple,
        np.array,
        lambda paths: np.array(paths, dtype=object),
        lambda paths: np.array(paths).reshape(-1, 1),
        lambda paths: np.array(paths, dtype=np.dtypes.StringDType()),
        lambda paths: pytest.importorskip("pandas").Series(paths, index=[9, 7, 5, 3]),
        lambda paths: pytest.importorskip("pandas").DataFrame({"path": paths}),
    ],
)
def test_every_container_of_paths(rgb, paths, wrap):
    source = as_image_source(wrap(paths))
    assert type(source) is PathSource
    assert source.unreadable() == []
    assert_array_equal(read_all(source), rgb)


def test_pathlike_objects(rgb, tmp_path, paths):
    assert_array_equal(read_all(as_image_source(sorted(tmp_path.iterdir()))), rgb)


def test_object_array_of_pil_images(rgb):
    images = np.empty(len(rgb), dtype=object)
    images[:] = [Image.fromarray(pixels) for pixels in rgb]
    assert type(as_image_source(images)) is PILSource


def test_images_of_different_sizes():
    sizes = [(4, 5), (6, 7)]
    pil = [Image.new("RGB", size) for size in sizes]
    for source in [as_image_source(pil), as_image_source(Items(pil))]:
        assert [source[i].shape for i in range(2)] == [(5, 4, 3), (7, 6, 3)]


def test_tensors_that_numpy_cannot_view(rgb):
    tensor = channels_first(rgb).float() / 255
    assert_array_equal(read_all(as_image_source(tensor.requires_grad_())), rgb)
    half = as_image_source(torch.full((2, 3, 4, 4), 0.5, dtype=torch.bfloat16))
    assert half[0].max() == 128


def test_importing_the_module_imports_nothing_that_takes_long():
    code = (
        "import sys, types\n"
        "package = types.ModuleType('sklearn_scan')\n"
        "package.__path__ = ['sklearn_scan']\n"  # leaves the package's own imports out
        "sys.modules['sklearn_scan'] = package\n"
        "import sklearn_scan.images\n"
        "assert not {'torch', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Refused


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


class Endless(Dataset):
    pass


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("photos", r"X .*'photos'.*list_images\(folder\).*\[file\]"),
        (Image.new("L", (4, 4)), r"one PIL image: pass \[image\]"),
        (
            ["a.png", Image.new("L", (4, 4))],
            r"path \(X\[0\]\) and PIL image \(X\[1\]\)",
        ),
        (["a.png", 3.0, set()], r"path \(X\[0\]\) and float \(X\[1\]\) and set"),
        (["a.png", None, 3.0], r"X\[1\] is None: leave it out"),
        ([1.0, 2.0], "X must hold paths.* got a list of float"),
        ([{"image": 1}], "got a list of dict"),
        ([([1.0], 3)], "X must hold PIL images.* got list"),
        ([()], "got tuple"),
        ([array.array("d", [1.0])], "got a list of array"),
        ([Stream()], "got a list of Stream"),
        (Stream(), "map-style Dataset.* got a Stream"),
        (Endless(), "map-style Dataset.* got an Endless"),
        (None, "X must be an array of images.* got NoneType"),
        ({3.0}, "got set"),
    ],
)
def test_types_that_are_no_images(X, message):
    with pytest.raises(TypeError, match=message):
        as_image_source(X)


def test_a_folder_as_a_path_object(tmp_path):
    with pytest.raises(TypeError, match=re.escape(str(tmp_path))):
        as_image_source(tmp_path)


def test_data_frames_that_hold_no_paths():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="2-D array means features"):
        as_image_source(pandas.DataFrame({"name": ["a", "b"], "label": [0, 1]}))
    with pytest.raises(TypeError, match=r"path \(X\[0\]\) and"):
        as_image_source(pandas.Series(["a.png", None]))


# Images or features


def column(values):
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def pandas_frame(values):
    return pytest.importorskip("pandas").DataFrame({"x": values})


def pandas_series(values):
    return pytest.importorskip("pandas").Series(values)


PIL_IMAGE = Image.new("L", (4, 4))


@pytest.mark.parametrize(
    "X",
    [
        ArraySource(np.zeros((2, 4, 4))),
        "photos",
        Path("photos"),
        PIL_IMAGE,
        Items([]),
        Stream(),
        Endless(),
        np.zeros((2, 4, 4)),
        np.zeros((2, 4, 4, 3)),
        np.zeros((2, 4, 4), dtype=object),
        torch.zeros((2, 3, 4, 4)),
        [],
        (),
        ["a.png", 3],
        (Path("a.png"),),
        [PIL_IMAGE],
        [np.zeros((4, 4))],
        (torch.zeros((3, 4, 4)),),
        [(PIL_IMAGE, 0)],
        [(np.zeros((4, 4)), 0)],
        [("a.png", 0)],
        iter(["a.png"]),
        {"a.png"},
        {"a": "a.png"},
        [{"image": PIL_IMAGE}],
        [b"content"],
        np.array(["a.png"]),
        np.array([["a.png"], ["b.png"]]),
        np.array(["a.png"], dtype=np.dtypes.StringDType()),
        column([PIL_IMAGE, PIL_IMAGE]),
        column([np.zeros((4, 4)), np.zeros((5, 5))]),
    ],
)
def test_images(X):
    assert is_image_input(X) is True


@pytest.mark.parametrize(
    "X",
    [
        None,
        3.0,
        {3.0},
        {"image": 1},
        np.array(3.0),
        np.array("a.png"),
        np.zeros(5),
        np.zeros((5, 8)),
        np.zeros((0, 8)),
        np.zeros((5, 1)),
        np.zeros((5, 8), dtype=complex),
        np.zeros((5, 8), dtype=object),
        np.zeros((5, 1), dtype=object),
        np.array([["a", "b"], ["c", "d"]]),
        np.array([[{"foo": "bar"}, 1.0]]),
        torch.zeros((5, 8)),
        [1.0, 2.0],
        [[1.0, 2.0], [3.0, 4.0]],
        [(1.0, 2.0), (3.0, 4.0)],
        [()],
        [["a.png"]],
        [np.zeros(8), np.zeros(8)],
        [torch.zeros(8)],
        scipy.sparse.csr_array(np.eye(3)),
        scipy.sparse.coo_matrix(np.eye(3)),
        scipy.sparse.dia_array(np.eye(3)),
    ],
)
def test_what_may_be_features(X):
    assert is_image_input(X) is False


@pytest.mark.parametrize("wrap", [pandas_frame, pandas_series])
def test_images_in_pandas(wrap):
    assert is_image_input(wrap(["a.png", "b.png"]))
    assert is_image_input(wrap(["a.png"]).astype("category"))
    assert is_image_input(wrap([PIL_IMAGE, PIL_IMAGE]))
    assert not is_image_input(wrap([1.0, 2.0]))
    assert not is_image_input(wrap([1.0, None]).astype(object))
    assert not is_image_input(pandas_frame([1.0, 2.0]).assign(y="a"))
    assert is_image_input(pandas_frame([1.0, 2.0]).assign(y="a.png"))  # to say why not


def test_the_question_never_looks_at_the_data():
    X = np.lib.stride_tricks.as_strided(np.zeros(1), (10**9, 500, 3), (0, 0, 0))
    assert is_image_input(X)
    assert not is_image_input(X[..., 0])
