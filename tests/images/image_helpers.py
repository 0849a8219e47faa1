import io
import tarfile

import numpy as np
import torch
from torch.utils.data import Dataset


class Items(Dataset):
    """A map-style dataset that is read one item at a time."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def channels_first(images):
    return torch.from_numpy(np.moveaxis(images, -1, -3).copy())


def read_all(source):
    return np.stack([source[i] for i in range(len(source))])


def make_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
