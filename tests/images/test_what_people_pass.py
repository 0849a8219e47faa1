"""All that people pass as X: it is read as the files are, or refused with the call."""

import contextlib
import io
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import list_images, make_shapes
from sklearn_scan.pretext import RawPixels
from sklearn_scan.report import write_report

N_IMAGES = 12
SIDE = 16


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder `photos` with images in two subfolders, for the whole module."""
    folder = tmp_path_factory.mktemp("people") / "photos"
    shapes = make_shapes(N_IMAGES, 2, image_size=SIDE, random_state=0).images
    for i, pixels in enumerate(shapes):
        path = folder / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def paths(photos):
    return list_images(photos)


def make_clusterer():
    return SCANClusterer(
        2,
        encoder=RawPixels(image_size=8),
        n_neighbors=3,
        n_heads=1,
        max_epochs=2,
        self_label_epochs=1,
        random_state=0,
        device="cpu",
        n_jobs=1,
    )


@pytest.fixture(scope="module")
def expected(paths):
    return make_clusterer().fit(paths)


# What is read


def pil(path):
    image = Image.open(path)
    image.load()  # closes the file
    return image


def opened(path):
    return stack.enter_context(open(path, "rb"))


stack = contextlib.ExitStack()


@pytest.fixture(scope="module", autouse=True)
def _close_files():
    with stack:
        yield


def pandas_series(paths):
    return pytest.importorskip("pandas").Series(paths)


def pandas_frame(paths):
    return pytest.importorskip("pandas").DataFrame({"path": paths})


def pandas_contents(paths):
    column = [{"bytes": Path(path).read_bytes(), "path": path} for path in paths]
    return pytest.importorskip("pandas").DataFrame({"image": column})


def polars_series(paths):
    return pytest.importorskip("polars").Series(paths)


def polars_frame(paths):
    return pytest.importorskip("polars").DataFrame({"path": paths})


def arrow_array(paths):
    return pytest.importorskip("pyarrow").array(paths)


def arrow_chunks(paths):
    return pytest.importorskip("pyarrow").chunked_array([paths[:5], paths[5:]])


def arrow_table(paths):
    return pytest.importorskip("pyarrow").table({"path": paths})


def hugging_face(paths, *, embedded=False):
    datasets = pytest.importorskip("datasets")
    images = paths
    if embedded:
        images = [{"bytes": Path(path).read_bytes(), "path": path} for path in paths]
    data = {"image": images, "label": list(range(len(paths)))}
    return datasets.Dataset.from_dict(data).cast_column("image", datasets.Image())


def hugging_face_folder(paths):
    """Return a dataset whose rows are in another order than the table behind it."""
    backwards = hugging_face(paths[::-1], embedded=True)
    return backwards.select(range(len(paths) - 1, -1, -1))


def image_folder(paths, **settings):
    torchvision = pytest.importorskip("torchvision")
    return torchvision.datasets.ImageFolder(Path(paths[0]).parents[1], **settings)


def image_folder_tensors(paths):
    torchvision = pytest.importorskip("torchvision")
    return image_folder(paths, transform=torchvision.transforms.ToTensor())


def in_memory_files(paths):
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    for path in paths:
        files.pipe("/photos/" + relative(path), Path(path).read_bytes())
    return list_images("memory://photos")


def relative(path):
    return "/".join(Path(path).parts[-2:])


def zipped(paths):
    archive = Path(paths[0]).parents[2] / "photos.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("__MACOSX/._0.png", b"no image")
        for path in paths[::-1]:
            file.write(path, relative(path))
    return str(archive)


def tarred(paths):
    archive = Path(paths[0]).parents[2] / "photos.tar"
    with tarfile.open(archive, "w") as file:
        for path in paths[::-1]:
            file.add(path, "./" + relative(path))
    return str(archive)


def fsspec_files(paths):
    return pytest.importorskip("fsspec").open_files(paths)


def named_bytes(path):
    file = io.BytesIO(Path(path).read_bytes())
    file.name = path
    return file


READ = {
    "list of Path": lambda paths: [Path(path) for path in paths],
    "tuple": tuple,
    "array": np.array,
    "pandas Series": pandas_series,
    "pandas frame of one column": pandas_frame,
    "pandas frame of bytes and path": pandas_contents,
    "polars Series": polars_series,
    "polars frame of one column": polars_frame,
    "pyarrow array": arrow_array,
    "pyarrow chunked array": arrow_chunks,
    "pyarrow table of one column": arrow_table,
    "list of (path, label)": lambda paths: [(path, 0) for path in paths],
    "list of PIL images": lambda paths: [pil(path) for path in paths],
    "list of (PIL image, label)": lambda p: [(pil(path), 0) for path in p],
    "list of bytes": lambda paths: [Path(path).read_bytes() for path in paths],
    "list of BytesIO": lambda p: [io.BytesIO(Path(q).read_bytes()) for q in p],
    "list of named BytesIO": lambda paths: [named_bytes(path) for path in paths],
    "list of open files": lambda paths: [opened(path) for path in paths],
    "fsspec OpenFiles": fsspec_files,
    "Hugging Face Dataset": hugging_face,
    "Hugging Face Dataset of bytes, reordered": hugging_face_folder,
    "Hugging Face Dataset for torch": lambda p: hugging_face(p).with_format("torch"),
    "Hugging Face Dataset for NumPy": lambda p: hugging_face(p).with_format("numpy"),
    "Hugging Face Dataset with a transform": lambda paths: hugging_face(
        paths
    ).with_transform(lambda rows: {"image": rows["image"]}),
    "Hugging Face column": lambda paths: hugging_face(paths)["image"],
    "Hugging Face rows": lambda paths: hugging_face(paths)[:]["image"],
    "ImageFolder": image_folder,
    "ImageFolder of tensors": image_folder_tensors,
    "Subset of an ImageFolder": lambda p: Subset(image_folder(p), range(len(p))),
    "file:// addresses": lambda paths: [Path(path).as_uri() for path in paths],
    "memory:// addresses": in_memory_files,
    "members of a zip": lambda paths: list_images(zipped(paths)),
    "members of a tar": lambda paths: list_images(tarred(paths)),
    "zip:// addresses": lambda paths: [
        f"zip://{relative(path)}::{zipped(paths)}" for path in paths
    ],
    "tar:// addresses": lambda paths: [
        f"tar://{relative(path)}::{tarred(paths)}" for path in paths
    ],
}
NAMELESS = {
    "list of bytes",
    "list of BytesIO",
    "list of (PIL image, label)",
    "Hugging Face Dataset with a transform",
}


@pytest.mark.parametrize("kind", READ)
def test_it_is_read_as_the_files_are(paths, expected, tmp_path, kind):
    X = READ[kind](paths)
    clusterer = make_clusterer().fit(X)
    assert_array_equal(clusterer.labels_, expected.labels_)
    assert_array_equal(clusterer.predict(X), expected.labels_)  # read a second time
    names = [Path(name).name for name in clusterer.image_names_]
    if kind in NAMELESS:
        assert names == [f"X[{i}]" for i in range(len(paths))]
    else:
        assert names == [Path(path).name for path in paths]
    write_report(tmp_path / "report.html", clusterer, X, projection="pca")
    assert (tmp_path / "report.html").stat().st_size > 10_000


# What is refused


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


def frame(library):
    def make(paths):
        rows = {"path": paths, "id": range(len(paths))}
        return pytest.importorskip(library).DataFrame(rows)

    return make


def arrow_two_columns(paths):
    table = {"file": paths, "id": list(range(len(paths)))}
    return pytest.importorskip("pyarrow").table(table)


def hugging_face_of(**columns):
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


def two_image_columns(paths):
    datasets = pytest.importorskip("datasets")
    dataset = hugging_face_of(image=paths, mask=paths, id=list(range(len(paths))))
    images = dataset.cast_column("image", datasets.Image())
    return images.cast_column("mask", datasets.Image())


def splits(paths):
    datasets = pytest.importorskip("datasets")
    data = hugging_face(paths)
    return datasets.DatasetDict(train=data, test=data)


def stream_of_hugging_face(paths):
    return hugging_face(paths).to_iterable_dataset()


def folder_of(paths):
    return str(Path(paths[0]).parents[1])


def tar_gz(paths):
    archive = Path(paths[0]).parents[2] / "photos.tar.gz"
    archive.touch()
    return archive


def web_dataset(paths):
    webdataset = pytest.importorskip("webdataset")
    return webdataset.WebDataset(tarred(paths), shardshuffle=False)


REFUSED = {
    "generator": (lambda p: (q for q in p), "a generator: pass list(X)"),
    "map": (lambda paths: map(Path, paths), "a map: pass list(X)"),
    "Path.glob": (
        lambda paths: Path(folder_of(paths)).glob("*/*.png"),
        "pass list(X)",
    ),
    "set": (set, "a set: pass sorted(X)"),
    "dict of paths": (lambda p: dict.fromkeys("ab", p[0]), "pass list(X.values())"),
    "dict view": (
        lambda p: dict(enumerate(p)).values(),
        "a dict_values: pass list(X)",
    ),
    "pandas frame of two columns": (frame("pandas"), "'path', 'id': pass X['path']"),
    "polars frame of two columns": (frame("polars"), "'path', 'id': pass X['path']"),
    "pyarrow table of two columns": (
        arrow_two_columns,
        "a Table with the columns 'file', 'id': pass X['file']",
    ),
    "array of two columns": (
        lambda paths: np.array([[path, "0"] for path in paths]),
        "a ndarray of shape (12, 2): pass X[:, 0]",
    ),
    "Hugging Face DatasetDict": (
        splits,
        "a DatasetDict: pass X['train'] or X['test']",
    ),
    "Hugging Face stream": (
        stream_of_hugging_face,
        "an IterableDataset of Hugging Face: load it without streaming, or pass "
        "[row['image'] for row in X]",
    ),
    "two columns of images": (
        two_image_columns,
        "a Dataset with the columns 'image', 'mask', 'id': pass X['image'] or "
        "X['mask']",
    ),
    "no column of images, but paths": (
        lambda paths: hugging_face_of(file=paths, id=list(range(len(paths)))),
        "a Dataset with the columns 'file', 'id': pass X['file']",
    ),
    "no column of images": (
        lambda paths: hugging_face_of(id=[1, 2], size=[3, 4]),
        "a Dataset with the columns 'id', 'size': pass one that holds paths, X[name]",
    ),
    "list of dicts": (
        lambda paths: [{"id": 1, "image": pil(path)} for path in paths],
        "a list of dict: pass [row['image'] for row in X]",
    ),
    "DataLoader": (
        lambda paths: DataLoader(image_folder(paths)),
        "a DataLoader: pass its dataset, X.dataset",
    ),
    "torch stream": (lambda _: Stream(), "a Stream: pass list(X)"),
    "webdataset": (web_dataset, "a WebDataset: pass list(X)"),
    "folder": (folder_of, "a str, '*': pass sklearn_scan.datasets.list_images('*')"),
    "folder as a Path": (
        lambda paths: Path(folder_of(paths)),
        "Path, '*': pass sklearn_scan.datasets.list_images('*')",
    ),
    "glob string": (
        lambda paths: folder_of(paths) + "/*.png",
        "a str, '*': pass sorted(glob.glob('*'))",
    ),
    "one file": (lambda paths: paths[0], "a str, '*', one image: pass ['*']"),
    "one PIL image": (
        lambda paths: pil(paths[0]),
        "one PIL image: pass [image]",
    ),
    "bytes": (lambda paths: Path(paths[0]).read_bytes(), "a bytes: pass [X]"),
    "open file": (lambda paths: opened(paths[0]), "a BufferedReader: pass [X]"),
    "zip": (zipped, "a str, '*': pass sklearn_scan.datasets.list_images('*')"),
    "list of one folder": (
        lambda paths: [folder_of(paths)],
        "a list of one folder, '*': pass sklearn_scan.datasets.list_images('*')",
    ),
    "list of one zip": (
        lambda paths: [zipped(paths)],
        "a list of one archive, '*': pass sklearn_scan.datasets.list_images('*')",
    ),
    "list of one tar.gz": (
        lambda paths: [tar_gz(paths)],
        "a list of one archive, '*': pass sklearn_scan.datasets.list_images('*')",
    ),
    "address of a folder": (
        lambda _: "memory://photos",
        "a str, '*': pass sklearn_scan.datasets.list_images('*')",
    ),
}


def pattern(text):
    return re.escape(text).replace(re.escape("*"), ".*")


@pytest.mark.parametrize("encoder", ["auto", RawPixels()], ids=["auto", "RawPixels"])
@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_the_call(paths, kind, encoder):
    make, message = REFUSED[kind]
    clusterer = SCANClusterer(2, encoder=encoder, device="cpu")
    with pytest.raises(TypeError, match=pattern(message)) as caught:
        clusterer.fit(make(paths))
    assert is_one_sentence(str(caught.value))


def is_one_sentence(message):
    return message.startswith("X must ") and re.findall(r"\.(\s|$)", message) == [""]


# Features, which are no images


def polars_features(X):
    return pytest.importorskip("polars").DataFrame(dict(enumerate_columns(X)))


def arrow_features(X):
    return pytest.importorskip("pyarrow").table(dict(enumerate_columns(X)))


def pandas_features(X):
    return pytest.importorskip("pandas").DataFrame(dict(enumerate_columns(X)))


def enumerate_columns(X):
    return ((f"x{i}", column) for i, column in enumerate(X.T))


FEATURES = {
    "pandas": pandas_features,
    "numbers as text": lambda X: pandas_features(X.astype(str)),
    "polars": polars_features,
    "pyarrow": arrow_features,
    "bfloat16": lambda X: torch.from_numpy(X).bfloat16(),
    "float16": lambda X: torch.from_numpy(X).half(),
    "tuple of bfloat16": lambda X: (torch.from_numpy(X).bfloat16(),),
}


@pytest.mark.parametrize("kind", FEATURES)
def test_features_are_read_as_numbers(kind):
    X = np.random.default_rng(0).integers(-9, 9, (30, 4)).astype(np.float32)
    clusterer = make_clusterer().set_params(encoder="auto")
    given = FEATURES[kind](X)
    assert_array_equal(clusterer.fit(given).embedding_, X)
    assert_array_equal(clusterer.predict(given), clusterer.labels_)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_refused_with_the_call():
    with pytest.raises(TypeError, match=r"np\.matrix .* np\.asarray"):
        SCANClusterer(2).fit(np.asmatrix(np.eye(9)))
