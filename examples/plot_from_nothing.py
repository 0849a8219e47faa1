"""
Learning from the images themselves
===================================

If no pretrained network suits your images, a pretext task trains a network on the
images alone. It needs about 1,000 images or more, and it pays for images unlike photos
on the web, such as these digits. SimCLR makes two random views of each image, and the
network learns which views belong together. So it learns what the views do not change.
"""

# %%
# A network and a pretext task
# ----------------------------
# The network can be any network from pixels to features. ``SimCLR()`` has a network of
# its own, and chooses the number of epochs by the number of images; training then takes
# about a minute. For this page a smaller network and a few epochs are enough.

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


pretext = SimCLR(small_network, epochs=8, random_state=0).fit(images)
plot_training(pretext)

# %%
# The clusters
# ------------
# A fitted pretext task has an encoder, which is used like any other.

clusterer = SCANClusterer(n_clusters=10, encoder=pretext.encoder_, random_state=0)
clusterer.fit(images)
plot_clusters(clusterer, images, n_images=6)

# %%
# The nearest neighbours in the learnt features are the same digit in other handwriting.

plot_neighbors(clusterer, images, 0)

# %%
# What was learnt
# ---------------
# The labels were not used in training. They show how much the features and SCAN each
# improve the result.

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
# ``SCANClusterer(encoder=SimCLR())`` does all of this in one fit. Then it continues to
# train the network together with the clusters, as the paper does for small images. The
# result is better still.
plt.show()
