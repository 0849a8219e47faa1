"""
Learning from the images themselves
===================================

Where no pretrained network knows images like yours, a pretext learns to see from the
images alone. SimCLR shows a network two random views of each image and asks which
belong together: what a view cannot change is what the image is about.
"""

# %%
# A network, and a pretext
# ------------------------
# The network may be any from pixels to features. ``SimCLR()`` brings one of its own,
# and takes as many epochs as the images ask for: a minute's work. A smaller network and
# few epochs are enough to see how it goes.

import matplotlib.pyplot as plt
from sklearn.cluster import KMeans
from torch import nn

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.plotting import plot_clusters, plot_neighbors, plot_training

digits = load_digits_images()
images, y = digits.images, digits.target


def small_network():
    """Return a network from images (b, 3, h, w) to features (b, 64)."""

    def block(n_in, n_out, stride):
        return [
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        ]

    return nn.Sequential(
        *block(3, 16, 1),
        *block(16, 32, 2),
        *block(32, 64, 1),
        *block(64, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


pretext = SimCLR(small_network, epochs=8, batch_size=128, random_state=0).fit(images)
plot_training(pretext)

# %%
# The clusters
# ------------
# A fitted pretext holds an encoder like any other.

clusterer = SCANClusterer(n_clusters=10, encoder=pretext.encoder_, random_state=0)
clusterer.fit(images)
plot_clusters(clusterer, images, n_images=6)

# %%
# Neighbours by what the network has learnt: the same digit, in other hands.

plot_neighbors(clusterer, images, 0)

# %%
# What was learnt
# ---------------
# Labels, which nothing here has seen, tell how much the features and SCAN each add.

pixels = images.reshape(len(images), -1)
k_means = KMeans(n_clusters=10, n_init=10, random_state=0)
accuracies = {
    "k-means on pixels": clustering_accuracy(y, k_means.fit_predict(pixels)),
    "k-means on the\nlearnt embedding": clustering_accuracy(
        y, k_means.fit_predict(clusterer.embedding_)
    ),
    "SCAN on the\nlearnt embedding": clustering_accuracy(y, clusterer.labels_),
}

_, ax = plt.subplots(figsize=(6.4, 3), layout="constrained")
bars = ax.barh([*accuracies], [*accuracies.values()])
ax.bar_label(bars, fmt="%.3f", padding=4)
ax.invert_yaxis()
ax.set(xlabel="accuracy", xlim=(0, 1.1))

# %%
# ``SCANClusterer(encoder=SimCLR())`` does all of this in one fit, and then trains the
# network on, along with the clusters: the paper's way for small images, and better yet.
plt.show()
