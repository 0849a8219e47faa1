"""
What a photo is made of
=======================

A photo is cut into squares, and the squares are clustered: sky, shade, outlines, and
detailed areas. The features are a few hand-made numbers for colour and texture. You can
use any features; the pictures still show the squares.
"""

# %%
# Squares and their features
# --------------------------
# The photo of a temple that comes with scikit-learn, in squares of 14 pixels.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image
from sklearn.preprocessing import StandardScaler

from sklearn_scan import SCANClusterer
from sklearn_scan.plotting import plot_clusters, plot_embedding, plot_neighbors
from sklearn_scan.results.embedding_map import map_embedding

SIDE = 14
photo = load_sample_image("china.jpg")
n_rows, n_columns = photo.shape[0] // SIDE, photo.shape[1] // SIDE
photo = photo[: n_rows * SIDE, : n_columns * SIDE]
squares = (
    photo.reshape(n_rows, SIDE, n_columns, SIDE, 3)
    .swapaxes(1, 2)
    .reshape(-1, SIDE, SIDE, 3)
)

colors = squares / 255
light = colors.mean(axis=3)
X = np.column_stack(
    [
        colors.mean(axis=(1, 2)),
        colors.std(axis=(1, 2)),
        np.abs(np.diff(light, axis=1)).mean(axis=(1, 2)),  # edges, from top to bottom
        np.abs(np.diff(light, axis=2)).mean(axis=(1, 2)),  # and from left to right
    ]
)
X = StandardScaler().fit_transform(X)
print(f"{len(X)} squares of {X.shape[1]} features")

# %%
# The clusters
# ------------

clusterer = SCANClusterer(n_clusters=4, random_state=0).fit(X)
plot_clusters(clusterer, squares)

# %%
# Back in the photo
# -----------------
# Each square gets the mean colour of its cluster. SCAN does not know the positions of
# the squares, and still the squares of a cluster form connected areas.

painted = np.zeros((len(X), 3))
for cluster in range(clusterer.n_clusters_):
    members = clusterer.labels_ == cluster
    if members.any():
        painted[members] = colors[members].mean(axis=(0, 1, 2))

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
axes[0].imshow(photo)
axes[1].imshow(painted.reshape(n_rows, n_columns, 3))
for ax in axes:
    ax.set_axis_off()

# %%
# The confidence of each square. It is lowest for squares that contain two things.

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
confidence = clusterer.probabilities_.max(axis=1)
picture = ax.imshow(confidence.reshape(n_rows, n_columns), cmap="magma")
ax.figure.colorbar(picture, label="confidence")
ax.set_axis_off()

# %%
# The squares on a map of the first two principal components. The squares of one photo
# form no islands: colours and textures change gradually across the borders of the
# clusters. The right number of clusters then depends on what you need them for.

points = map_embedding(clusterer.embedding_, method="pca")
plot_embedding(clusterer, squares, points=points)

# %%
# A square and the squares most similar to it.

plot_neighbors(clusterer, squares, int(confidence.argmax()))
plt.show()
