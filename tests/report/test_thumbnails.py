"""Thumbnails: small copies of whole pictures."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from report_helpers import make_images, write_images

from sklearn_scan.images import as_image_source
from sklearn_scan.report._thumbnails import choose_side, make_thumbnails


def decode(thumbnails, row):
    picture = Image.open(BytesIO(thumbnails.pictures[thumbnails.places[row]]))
    return np.asarray(picture.convert("RGB"), dtype=int)


def reduce_one(width, height):
    """Return the thumbnail of an image whose left and right quarters differ."""
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    image[:, : -(-width // 4)] = (255, 0, 0)
    image[:, -(-width // 4) * 3 :] = (0, 0, 255)
    thumbnails, _ = make_thumbnails(as_image_source([Image.fromarray(image)] * 2), [1])
    return decode(thumbnails, 1)


def test_each_image_is_where_it_is_said_to_be():
    images = make_images(230, side=32)
    rows = np.random.default_rng(0).permutation(230)[:225].tolist()
    thumbnails, failures = make_thumbnails(as_image_source(images), rows)
    assert failures == []
    np.testing.assert_array_equal(thumbnails.places[rows], np.arange(225))
    for row in (rows[0], rows[57], rows[100], rows[224]):
        middle = decode(thumbnails, row)[8:24, 8:24].mean(axis=(0, 1))
        np.testing.assert_allclose(middle, images[row, 0, 0], atol=8)
    assert (np.delete(thumbnails.places, rows) == -1).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((8, 8), (8, 8)),  # never enlarged
        ((300, 100), (300, 100)),  # of less area than the square
        ((512, 512), (256, 256)),
        ((1024, 256), (512, 128)),
        ((400, 1600), (128, 512)),
        ((20_000, 40), (1024, 2)),  # no longer than four squares
        ((5_000, 1), (1024, 1)),
    ],
)
def test_pictures_are_whole_and_keep_their_shape(size, expected):
    picture = reduce_one(*size)
    assert picture.shape[1::-1] == expected
    row = picture[picture.shape[0] // 2]
    np.testing.assert_allclose(row[0], (255, 0, 0), atol=60)
    np.testing.assert_allclose(row[-1], (0, 0, 255), atol=60)


@pytest.mark.parametrize(
    ("n_images", "side"),
    [(1, 256), (1_001, 160), (4_001, 96), (12_001, 64), (100_000, 48)],
)
def test_many_images_have_smaller_thumbnails(n_images, side):
    assert choose_side(n_images) == side


def test_unreadable_images_have_none(tmp_path):
    paths = write_images(tmp_path, [f"{i}.png" for i in range(12)])
    (tmp_path / "5.png").write_bytes(b"not an image")
    with pytest.warns(UserWarning, match="1 of 12 images"):
        thumbnails, failures = make_thumbnails(as_image_source(paths), range(12))
    assert [failure.row for failure in failures] == [5]
    assert thumbnails.places[5] == -1
    assert sorted(np.delete(thumbnails.places, 5)) == list(range(11))


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_bar_shows_how_far_it_is(capsys, verbose):
    source = as_image_source(make_images(12))
    make_thumbnails(source, range(12), verbose=verbose)
    assert ("report: photos: 100%" in capsys.readouterr().err) == bool(verbose)
