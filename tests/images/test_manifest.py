"""Images that a table lists."""

import pickle
import sys
import tracemalloc

import pandas as pd
import pytest
from image_helpers import read_all
from numpy.testing import assert_array_equal

from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ManifestSource, PathSource, as_image_source

WRITE = {
    ".csv": lambda frame, file: frame.to_csv(file, index=False),
    ".parquet": lambda frame, file: frame.to_parquet(file, row_group_size=3),
}


@pytest.fixture(params=WRITE)
def write(request, tmp_path):
    def write_table(**columns):
        file = tmp_path / f"photos{request.param}"
        WRITE[request.param](pd.DataFrame(columns), file)
        return file

    return write_table


def test_the_images_are_those_of_the_paths_in_their_order(write, paths, rgb):
    names = [path.rsplit("/")[-1] for path in paths]  # in the folder of the table
    source = as_image_source(ManifestSource(write(year=range(4), path=names)))
    assert_array_equal(read_all(source), rgb)
    plain = PathSource(paths)
    assert [source.name(i) for i in range(4)] == paths
    assert [source.identity(i) for i in range(4)] == [
        plain.identity(i) for i in range(4)
    ]
    assert source.fingerprint() == plain.fingerprint()


def test_a_worker_gets_the_paths_of_its_part(write, paths, rgb):
    part = ManifestSource(write(path=paths)).for_worker(range(1, 3))
    assert_array_equal(read_all(part), rgb[1:3])


def test_it_can_be_sent_to_other_processes(write, paths, rgb):
    source = ManifestSource(write(path=paths))
    assert_array_equal(read_all(pickle.loads(pickle.dumps(source))), rgb)
    assert source.name(-1) == paths[-1]


def test_a_table_that_changes_under_the_source(write, paths):
    source = ManifestSource(write(path=paths))
    write(path=paths[:2])
    with pytest.raises(OSError, match="has changed: make the ManifestSource anew"):
        source.name(0)


def test_images_that_are_not_there_are_named(write, paths, tmp_path):
    source = ManifestSource(write(path=[*paths, "gone.png"]))
    with pytest.raises(ImageReadError, match=r"gone\.png: no such file"):
        source[4]
    (bad,) = source.unreadable()
    assert (bad.row, bad.path) == (4, str(tmp_path / "gone.png"))


@pytest.mark.parametrize("name", ["path", "file", "filename", "file_name", "image"])
def test_usual_names_of_the_column_are_found(write, paths, name):
    assert len(ManifestSource(write(width=[1, 2, 3, 4], **{name: paths}))) == 4


def test_any_column_can_be_chosen(write, paths):
    assert len(ManifestSource(write(photo=paths), column="photo")) == 4


def test_a_missing_column_is_named_with_those_there_are(write, paths):
    file = write(photo=paths, year=[1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"column 'path' or .*has 'photo', 'year'"):
        ManifestSource(file)
    with pytest.raises(ValueError, match="column 'place'; it has 'photo', 'year'"):
        ManifestSource(file, column="place")


def test_a_path_listed_twice_is_refused(write):
    with pytest.raises(ValueError, match=r"'b\.png' twice, in rows 2 and 4"):
        ManifestSource(write(path=["a.png", "b.png", "c.png", "b.png"]))


@pytest.mark.parametrize("gap", ["", None])
def test_a_row_without_a_path_is_refused(write, gap):
    with pytest.raises(ValueError, match="no path in row 2"):
        ManifestSource(write(path=["a.png", gap, "c.png"]))


def test_an_empty_table_is_refused(write, tmp_path):
    with pytest.raises(ValueError, match="lists no images"):
        ManifestSource(write(path=[]))
    empty = tmp_path / "empty.csv"
    for content in (b"", b"\n\n"):
        empty.write_bytes(content)
        with pytest.raises(ValueError, match="is empty"):
            ManifestSource(empty)
    empty.write_bytes("path\nü.png".encode("latin-1"))
    with pytest.raises(ValueError, match=r"empty\.csv' must be in UTF-8"):
        ManifestSource(empty)
    with pytest.raises(FileNotFoundError):
        ManifestSource(tmp_path / "gone.csv")


def test_quoted_paths_with_commas_and_line_breaks(tmp_path):
    names = ["a,b.png", 'the "best".png', "two\nlines.png", "ü.png"]
    file = tmp_path / "photos.csv"
    frame = pd.DataFrame({"path": names, "note": ["x\ny"] * 4})
    frame.to_csv(file, index=False, encoding="utf-8-sig")  # as Excel writes
    source = ManifestSource(file)
    assert [source.name(i) for i in range(4)] == [str(tmp_path / n) for n in names]


def test_without_pyarrow_parquet_names_what_to_install(tmp_path, monkeypatch):
    file = tmp_path / "photos.parquet"
    pd.DataFrame({"path": ["a.png"]}).to_parquet(file)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        ManifestSource(file)


def test_many_paths_take_little_memory(tmp_path):
    n_images = 40_000
    file = tmp_path / "photos.csv"
    names = (f"year/month/day/a-rather-long-name-{i:09d}.jpg" for i in range(n_images))
    file.write_text("path\n" + "\n".join(names))
    tracemalloc.start()
    source = ManifestSource(file)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.name(n_images - 1).endswith("000039999.jpg")
    assert kept < 12 * n_images  # a string takes a hundred bytes
    assert peak < 60 * n_images
