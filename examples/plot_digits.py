"""
Clusters of handwritten digits, and how to read them
====================================================

1,797 handwritten digits, and nobody says which is which. SCAN sorts them into ten
groups. Did it find the digits? This page looks at the result the way one looks at
clusters of one's own photos: first at the images, and at labels, if there are any,
last.

The pixels themselves serve as features here: at 8 x 8 pixels, drawn in one place and at
one size, they are good enough. Photos need an encoder; everything else is the same.
"""

# %%
# The fit
# -------
# A 2-D array is taken as features, a row for each image. The clusters are numbered from
# the largest to the smallest.

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
)

X, y = load_digits(return_X_y=True)
images = load_digits_images().images

clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)

# %%
# What stands for each cluster
# ----------------------------
# A prototype is the most typical of a cluster's ten surest images. The features went
# into the fit, and the images, in the same order, go into the pictures.

plot_prototypes(clusterer, images)

# %%
# Ten prototypes say what the clusters are about, and little about how pure they are:
# that is seen at the other end. In the next picture the least confident images of each
# cluster stand on the right, and mistakes gather there.

plot_clusters(clusterer, images)

# %%
# One cluster in full: its images at even steps, from the one that it is surest of to
# the one that it is least sure of.

plot_cluster(clusterer, images, 0)

# %%
# Sizes, and how the training went
# --------------------------------
# The dark part of a bar is made of images whose probability exceeds
# ``confidence_threshold``. A cluster that is mostly pale is one to look at.

plot_sizes(clusterer)

# %%
# In the first stage neighbours learn to agree (*consistency* falls) while the clusters
# stay spread (*entropy* stays low). In the second, confident images teach the others,
# and become more. Where neighbours agree less after it than before, that stage is
# undone, and the picture says so.

plot_training(clusterer)

# %%
# With labels
# -----------
# Labels had no part in any of this. Here there are some, and they tell how well the
# clusters match: each class is given the cluster that suits it best, one to one, and
# the diagonal holds the right answers. Off the diagonal stand the digits that are hard
# to tell apart at this size.

plot_confusion(clusterer, y)

# %%
# Names
# -----
# Whoever has looked at the clusters can name them, and all pictures use the names. Here
# the labels stand in for someone looking: a cluster gets the name of most of its
# images. Where a prototype is another digit than its name says, two of them share a
# cluster.

words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
for cluster, digit in majority_mapping(y, clusterer.labels_).items():
    clusterer.cluster_names_[cluster] = words[digit]

plot_prototypes(clusterer, images)
plt.show()
