"""
New images and a Pipeline
=========================

A clusterer is fitted once and then labels new images. Put its preprocessing into a
Pipeline, so that new images are preprocessed in the same way.
"""

# %%
# Half of the digits are used for the fit; the other half are the new images.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.plotting import plot_confusion, plot_sizes

X, y = load_digits(return_X_y=True)
images = load_digits_images().images
X, X_later, y, y_later, images, images_later = train_test_split(
    X, y, images, test_size=0.5, random_state=0
)

pipeline = make_pipeline(PCA(30), SCANClusterer(n_clusters=10, random_state=0))
pipeline.fit(X)
clusterer = pipeline[-1]
plot_sizes(clusterer)

# %%
# Labels for new images
# ---------------------
# ``predict`` gives clusters, and ``predict_proba`` gives the probability of each
# cluster. The clusters have the same numbers as in the fit.

labels_later = pipeline.predict(X_later)
confidence = pipeline.predict_proba(X_later).max(axis=1)

figure, axes = plt.subplots(2, 10, figsize=(10, 2.8), layout="constrained")
figure.suptitle("new images of each cluster: the most and the least confident")
for cluster, (top, bottom) in enumerate(axes.T):
    members = (labels_later == cluster).nonzero()[0]
    order = members[confidence[members].argsort()]
    for ax, i in zip((top, bottom), (order[-1], order[0]), strict=True):
        ax.imshow(images_later[i], cmap="gray")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{confidence[i]:.2f}", fontsize=8)
    top.set_title(clusterer.cluster_names_[cluster], fontsize=8)

# %%
# Are they as good?
# -----------------
# Good clusters also hold for images that were not used to find them: the accuracies of
# the two halves are similar.

print(f"images of the fit: {clustering_accuracy(y, clusterer.labels_):.3f}")
print(f"new images:        {clustering_accuracy(y_later, labels_later):.3f}")
plot_confusion(labels_later, y_later)
plt.show()
