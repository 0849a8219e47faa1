"""
Clusters of handwritten digits, and how to read them
====================================================

SCAN sorts 1,797 handwritten digits into ten groups, without labels. Did it find the
digits? This page looks at the result as you would look at clusters of your own photos:
first at the images, and last at labels, if there are any.

The features are the pixels themselves. This is good enough for digits of 8 x 8 pixels
that all have the same position and size. Photos need an encoder; everything else is the
same.
"""

# %%
# The fit
# -------
# A 2-D array is used as features, one row for each image. The clusters are numbered
# from the largest to the smallest.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.metrics import majority_mapping
from sklearn_scan.plotting import (
    plot_cluster,
    plot_clusters,
    plot_confusion,
    plot_prototypes,
    plot_sizes,
    plot_training,
    plot_tree,
)

X, y = load_digits(return_X_y=True)
images = load_digits_images().images

clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)

# %%
# A prototype for each cluster
# ----------------------------
# A prototype is the most typical image among the ten most confident images of a
# cluster. The features are the input of the fit; the images, in the same order, are the
# input of the pictures.

plot_prototypes(clusterer, images)

# %%
# The prototypes show what the clusters are about, but not how pure they are. For this,
# look at the least confident images. In the next picture they are on the right, and
# most mistakes are among them.

plot_clusters(clusterer, images)

# %%
# One cluster in detail: its images at even steps, from the most confident to the least
# confident.

plot_cluster(clusterer, images, 0)

# %%
# The tree of clusters
# --------------------
# Which clusters are alike? The tree merges the two nearest clusters again and again.
# Two clusters are near if many paths of neighbours lead from one to the other. A cut
# further to the right gives fewer, coarser groups.

plot_tree(clusterer, images)

# %%
# Sizes and training curves
# -------------------------
# The dark part of a bar counts the images whose probability is above
# ``confidence_threshold``. If a bar is mostly pale, look at this cluster.

plot_sizes(clusterer)

# %%
# In the first stage neighbours learn to agree (*consistency* falls) and the clusters
# keep similar sizes (*entropy* stays low). In the second stage the model learns from
# its confident images, and their number grows. If neighbours agree less afterwards,
# this stage is undone, and the picture says so.

plot_training(clusterer)

# %%
# With labels
# -----------
# No labels were used so far. Here there are labels, so we can measure how well the
# clusters match them. Each class is matched with one cluster, so that most images
# agree. Correct images are on the diagonal. The others are digits that are hard to
# distinguish at this size.

plot_confusion(clusterer, y)

# %%
# Names
# -----
# You can name the clusters, and all pictures use the names. Here the names come from
# the labels: a cluster gets the name of most of its images. If a prototype shows
# another digit than its name, two digits share this cluster.

words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
for cluster, digit in majority_mapping(y, clusterer.labels_).items():
    clusterer.cluster_names_[cluster] = words[digit]

plot_prototypes(clusterer, images)
plt.show()
