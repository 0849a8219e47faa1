import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from sklearn_scan.datasets import (
    count_skipped,
    list_images,
    load_digits_images,
    make_shapes,
)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_list_images(tmp_path):
    touch(
        tmp_path,
        *("img10.png", "img2.JPG", "img1.webp", "notes.txt", "png", ".hidden.png"),
        *("b/x.tiff", "b/c/ü.gif", ".git/y.png", "b/.cache/z.png"),
    )
    expected = ["b/c/ü.gif", "b/x.tiff", "img1.webp", "img2.JPG", "img10.png"]
    assert list_images(tmp_path) == [str(tmp_path / name) for name in expected]
    assert list_images(str(tmp_path)) == list_images(tmp_path)
    flat = list_images(tmp_path, recursive=False)
    assert flat == [str(tmp_path / name) for name in expected[2:]]


def test_list_images_orders_equal_numbers(tmp_path):
    touch(tmp_path, "1.png", "01.png", "001.png")
    assert [os.path.basename(p) for p in list_images(tmp_path)] == [
        "001.png",
        "01.png",
        "1.png",
    ]


def test_list_images_does_not_walk_in_circles(tmp_path):
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "linked.png").symlink_to(tmp_path / "a" / "1.png")
    names = [os.path.relpath(p, tmp_path) for p in list_images(tmp_path)]
    assert names == ["a/1.png", "linked.png"]


def test_list_images_refuses(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"folder must exist; got .*nowhere"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match=r"got the file .*notes\.txt"):
        list_images(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match=r"folder must hold images.*\.jpg.*\.png"):
        list_images(tmp_path)


def test_count_skipped(tmp_path):
    touch(tmp_path, "1.jpg", "2.HEIC", "a/3.heic", "4.CR2", "5.mp4", "notes.txt", "png")
    touch(tmp_path, ".DS_Store", ".cache/6.heic")
    counts = count_skipped(tmp_path)
    assert counts == {".heic": 2, ".cr2": 1, ".mp4": 1, "other": 2}
    assert list(counts) == [".heic", ".cr2", ".mp4", "other"]
    assert count_skipped(str(tmp_path), recursive=False)[".heic"] == 1
    with pytest.raises(FileNotFoundError, match="folder must exist"):
        count_skipped(tmp_path / "nowhere")


def test_nothing_skipped(tmp_path):
    touch(tmp_path, "1.jpg")
    assert count_skipped(tmp_path) == {}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["1.heic", "2.HEIC", "3.dng"],
            r"only 2 \.heic and 1 \.dng: convert .* JPEG\.",
        ),
        (["1.mp4", "2.mov", "notes.txt"], r"only 1 \.mov and 1 \.mp4: save frames"),
        (["1.zip"], r"only 1 \.zip: "),
        (["1.svg"], r"only 1 \.svg: convert them to JPEG or PNG\."),
    ],
)
def test_list_images_says_what_is_there_instead(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        list_images(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads all")
def test_list_images_tells_of_folders_it_may_not_read(tmp_path):
    touch(tmp_path, "1.png", "closed/2.png")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(PermissionError):
            list_images(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_load_digits_images():
    digits, original = load_digits_images(), load_digits()
    assert digits.images.shape == (1797, 8, 8)
    assert digits.images.dtype == np.uint8
    assert digits.images.max() == 255
    assert abs(digits.images / 255 - original.images / 16).max() < 0.5 / 255
    assert_array_equal(digits.target, original.target)


def test_make_shapes():
    shapes = make_shapes(13, 6, image_size=24, random_state=0)
    assert shapes.images.shape == (13, 24, 24, 3)
    assert shapes.images.dtype == np.uint8
    assert sorted(np.bincount(shapes.target)) == [2, 2, 2, 2, 2, 3]
    assert len(set(shapes.target_names)) == 6


def test_make_shapes_follows_random_state():
    first, again, other = (make_shapes(random_state=s).images for s in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()
    rng = np.random.RandomState(0)
    assert_array_equal(make_shapes(random_state=rng).images, first)
    assert (make_shapes(random_state=rng).images != first).any()


def test_make_shapes_draws_the_class():
    shapes = make_shapes(60, 6, noise=0, random_state=0)
    painted = shapes.images.max(axis=-1) > 110  # background is at most 90
    share = painted.mean(axis=(1, 2))
    assert share.min() > 0.02
    assert share.max() < 0.7
    for image, label in zip(painted, shapes.target, strict=True):
        rows, columns = np.nonzero(image)
        box = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        name = shapes.target_names[label]
        if name == "square":
            assert box.all()
        if name == "ring":
            assert not box[box.shape[0] // 2, box.shape[1] // 2]
        if name == "bars":
            assert not box[box.shape[0] // 2].any()
        if name == "triangle":
            assert box[-1].sum() > box[0].sum()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, "n_samples must be .*; got 0"),
        ({"n_classes": 7}, "n_classes must be .*; got 7"),
        ({"image_size": 0}, "image_size must be .*; got 0"),
        ({"noise": -0.1}, "noise must be .*; got -0.1"),
    ],
)
def test_make_shapes_refuses(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_shapes(**parameters)
