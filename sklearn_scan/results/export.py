"""What a fitted clusterer can be turned into: a table, a network, an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan.encoders import Encoder
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.label_table import COLUMNS, LabelTable
from sklearn_scan.results.onnx import write_onnx
from sklearn_scan.results.standalone import StandaloneModel

__all__ = ["Exportable"]


class Exportable:
    """The exports of a clusterer that has the attributes of `Clustering`."""

    module_: nn.Sequential
    encoder_: Encoder | None
    embedding_dims_: tuple[int, ...]
    cluster_names_: list[str]

    def labels_frame(self) -> Any:
        """Return the clusters of the images of the fit as a table.

        Returns
        -------
        pandas.DataFrame
            With a row for each image and the columns `path` ("X[i]" for what is not a
            file), `label`, `name` (of the cluster) and `confidence` (the largest
            probability; NaN for an image that cannot be read, whose label is -1). An
            image that `relabel` has left out has the label -1 and the name "left out".

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        check_is_fitted(self)
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "labels_frame needs pandas: pip install pandas."
            ) from error
        table = LabelTable.of(cast(Clustering, self))
        columns = (table.paths, table.labels, table.names, table.confidence)
        return pandas.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    def to_torch(self) -> StandaloneModel:
        """Return the model as one network, from pixels to probabilities.

        Returns
        -------
        StandaloneModel
            An nn.Module in evaluation mode, on the CPU, in float32, with weights of
            its own. It takes images (b, 3, s, s), as floats in [0, 1] or uint8, of the
            size that `input_sizes` says; the features (b, d) where X was features; and
            of several encoders, or feature arrays, a batch for each.

        Raises
        ------
        TypeError
            If the encoder is none of the library's own.

        Examples
        --------
        >>> import torch
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_scan import SCANClusterer
        >>> X = load_digits().data[:300]
        >>> model = SCANClusterer(n_clusters=10, random_state=0).fit(X).to_torch()
        >>> model(torch.zeros(2, 64)).shape
        torch.Size([2, 10])
        """
        check_is_fitted(self)
        networks = None if self.encoder_ is None else self.encoder_.networks()
        return StandaloneModel(
            self.module_, self.embedding_dims_, networks, self.cluster_names_
        )

    def to_onnx(self, path: str | Path) -> None:
        """Write the network of `to_torch` as an ONNX file.

        Its inputs are "images" or "features" (of several encoders or feature arrays,
        "images_0", "images_1" and so on), its output is "probabilities"; the size of
        the batch is left open. Images are floats in [0, 1]. The metadata has the names
        of the clusters and how images are prepared, as JSON: "cluster_names" and
        "preprocessing".

        Parameters
        ----------
        path : path
            The file to write.

        Raises
        ------
        ImportError
            If `sklearn-scan[onnx]` is not installed.
        OnnxExportError
            If the network has parts that ONNX does not express.
        """
        write_onnx(self.to_torch(), Path(path))
