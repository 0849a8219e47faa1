"""Thumbnails in sheets."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from report_helpers import make_images, write_images

from sklearn_scan.images import as_image_source
from sklearn_scan.report._thumbnails import COLUMNS, choose_side, make_sprites


def cut(sprites, row):
    """Cut an image's tile out of its sheet."""
    sheet, tile = divmod(sprites.places[row], COLUMNS**2)
    top, left = np.array(divmod(tile, COLUMNS)) * sprites.side
    picture = np.asarray(Image.open(BytesIO(sprites.sheets[sheet])).convert("RGB"))
    return picture[top : top + sprites.side, left : left + sprites.side]


def test_each_image_is_where_it_is_said_to_be():
    images = make_images(230, side=32)
    rows = np.random.default_rng(0).permutation(230)[:225].tolist()
    sprites, failures = make_sprites(as_image_source(images), rows)
    assert failures == []
    assert len(sprites.sheets) == 3
    assert Image.open(BytesIO(sprites.sheets[-1])).size == (320, 96)  # 25 tiles
    np.testing.assert_array_equal(sprites.places[rows], np.arange(225))
    for row in (rows[0], rows[57], rows[100], rows[224]):
        middle = cut(sprites, row)[8:24, 8:24].mean(axis=(0, 1))
        np.testing.assert_allclose(middle, images[row, 0, 0], atol=8)
    assert (np.delete(sprites.places, rows) == -1).all()


@pytest.mark.parametrize(
    ("n_images", "native", "side"),
    [(10, 8, 8), (10, 400, 256), (1_001, 300, 160), (4_001, 120, 96), (12_001, 90, 64)],
)
def test_sizes(n_images, native, side):
    one = np.zeros((1, native, native), dtype=np.uint8)
    source = as_image_source(np.broadcast_to(one, (n_images, native, native)))
    assert choose_side(source, range(n_images)) == side


def test_unreadable_images_have_no_tile(tmp_path):
    paths = write_images(tmp_path, [f"{i}.png" for i in range(12)])
    (tmp_path / "5.png").write_bytes(b"not an image")
    with pytest.warns(UserWarning, match="1 of 12 images"):
        sprites, failures = make_sprites(as_image_source(paths), range(12))
    assert [failure.row for failure in failures] == [5]
    assert sprites.places[5] == -1
    assert sorted(np.delete(sprites.places, 5)) == list(range(11))
