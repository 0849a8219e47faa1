"""A clusterer of one's own: k-means is its only stage."""

from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans

from sklearn_scan.clusterers import Found, ImageClusterer, Stage, register_clusterer
from sklearn_scan.training.heads import ClusterHeads


class KMeansHeads(Stage):
    """A linear head that finds the nearest of k-means' centres."""

    name = "cluster"

    def run(self, material, found, run):
        """Return the head; its loss is the inertia."""
        features = material.trunk.features()  # perhaps in a file
        samples = torch.cat([*features.split(2**14)]).numpy()
        seed = run.seed(self.name)
        k_means = KMeans(material.n_clusters, n_init=10, random_state=seed)
        centers = torch.from_numpy(k_means.fit(samples).cluster_centers_)
        # -||z - c||^2 = 2 z c - ||c||^2, but for what is the same for all clusters
        bias = -centers.square().sum(dim=1)
        heads = ClusterHeads.from_weights(2 * centers[None], bias[None])
        inertia = torch.tensor([k_means.inertia_])
        return Found.best_of(heads, inertia, -inertia, features)


@register_clusterer("k-means")
@dataclass(eq=False, repr=False)
class KMeansClusterer(ImageClusterer):
    """Cluster images by k-means on their standardised features.

    Parameters
    ----------
    n_clusters : int or "auto", default=10
        The number of clusters.
    """

    def _stages(self, material):
        return [KMeansHeads()]
