"""
The tree of all images
======================

``GraphDegreeLinkage`` merges images step by step: first each image with its nearest
neighbours, then the two groups that are joined by most paths of neighbours. It does not
train anything, and it leaves a *tree*. You can cut the tree anywhere: into few large
groups, or into many small ones.
"""

# %%
# The fit
# -------
# The features are the pixels of 1,797 handwritten digits. The fit takes less than a
# second on most machines.

import matplotlib.pyplot as plt
from scipy.cluster.hierarchy import dendrogram
from sklearn.datasets import load_digits
from sklearn.metrics import normalized_mutual_info_score

from sklearn_scan import GraphDegreeLinkage
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.plotting import plot_tree

X, y = load_digits(return_X_y=True)
images = load_digits_images().images

clusterer = GraphDegreeLinkage(n_clusters=10).fit(X)

# %%
# The tree with images
# --------------------
# The picture shows the last merges. Each row is a group: the number of its images, and
# the image nearest to their mean. Groups that are merged on the left are alike: often
# they are two ways to write the same digit.

plot_tree(clusterer, images, n_leaves=20)

# %%
# The tree as SciPy draws it
# --------------------------
# ``tree_.to_scipy()`` returns a linkage matrix for the functions of
# ``scipy.cluster.hierarchy``. ``truncate_mode="lastp"`` draws the last merges only. The
# dashed line is a cut that leaves ten groups: it crosses ten vertical lines. The
# colours show the groups below it.

matrix = clusterer.tree_.to_scipy()
ten, nine = clusterer.distances_[-10:-8]  # of the merges that leave so many groups
height = (ten + nine) / 2

figure, ax = plt.subplots(figsize=(9, 4), layout="constrained")
dendrogram(matrix, truncate_mode="lastp", p=30, color_threshold=height, ax=ax)
ax.axhline(height, color="0.5", linestyle="--")
ax.set_xlabel("images in the group (in brackets), or the number of the image")
ax.set_ylabel("height")

# %%
# More or fewer clusters
# ----------------------
# ``labels_for`` cuts the same tree again, so any number of clusters costs almost
# nothing. The normalised mutual information (NMI) compares the clusters with the
# digits; 1 is a perfect match.

for n_clusters in (5, 8, 10, 12, 15, 25, 50):
    labels = clusterer.labels_for(n_clusters)
    nmi = normalized_mutual_info_score(y, labels)
    print(f"{n_clusters:3} clusters: NMI {nmi:.3f}, largest {(labels == 0).sum()}")

# %%
# A cut by height
# ---------------
# If you do not know the number of clusters, look at the tree for a height with long
# vertical lines and cut there. Pass this height as ``distance_threshold``, and
# ``n_clusters=None``. Only merges below this height are made.

by_height = GraphDegreeLinkage(n_clusters=None, distance_threshold=height).fit(X)
print(f"below a height of {height:.2f}: {by_height.n_clusters_} clusters")

# %%
# ``n_clusters="auto"`` chooses a cut without you: the one at which neighbours share a
# cluster most often, compared with chance.

auto = GraphDegreeLinkage(n_clusters="auto").fit(X)
nmi = normalized_mutual_info_score(y, auto.labels_)
print(f'"auto": {auto.n_clusters_} clusters, NMI {nmi:.3f}')

plt.show()
