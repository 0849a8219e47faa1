"""The parameters, errors and examples that the docs of several functions share."""

from __future__ import annotations

from sklearn_scan.core.docs import share_docs

plot_docs = share_docs(
    clusterer="""
        clusterer : fitted clusterer
            Such as `SCANClusterer`.
    """,
    images="""
        images : images
            The images of the fit, in the same order. If it was fitted on features, the
            images that the features were computed from.
    """,
    ax="""
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
    """,
    no_model="""
        TypeError
            If the clusterer has no model of its clusters. This is so for
            `GraphDegreeLinkage`: use `plot_tree`.
    """,
    wrong_number="""
        ValueError
            If there is not one image for each sample of the fit.
    """,
    fitted="""
        >>> from sklearn_scan import SCANClusterer
        >>> from sklearn_scan.datasets import load_digits_images
        >>> images = load_digits_images().images[:300]
        >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
        >>> clusterer = clusterer.fit(images.reshape(300, -1))
    """,
)
