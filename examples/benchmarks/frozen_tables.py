"""The figures of frozen.py as Markdown."""

from itertools import chain
from statistics import fmean

from benchmark_features import SETS
from benchmark_tables import format_machine, format_row, format_table, percents
from frozen_bars import (
    SECONDS,
    fewest_clusters,
    is_complete,
    mean_gain,
    mean_score,
)

SCORES = {"accuracy": "ACC", "nmi": "NMI", "ari": "ARI"}
CONFIDENCE = {"ece": "ECE", "auroc": "AUROC", "confidence": "mean"}
MODELS = ("SCAN", "TEMI")  # those that give probabilities


def format_tables(content, methods):
    """Return all tables as Markdown, from the content of the JSON file.

    Parameters
    ----------
    content : dict
        Of the machine, the sets, the results and the speed.
    methods : iterable of str
        The order of the columns.
    """
    results = {name: content["results"].get(name, {}) for name in SETS}
    methods = [m for m in methods if any(m in runs for runs in results.values())]
    parts = ["Measured on " + format_machine(content["machine"])]
    if methods:
        parts += [
            "The sets, with the share of a sample's 20 nearest neighbours (by cosine) "
            "that are of its class:",
            format_sets(content["sets"]),
        ]
        for score, title in SCORES.items():
            parts += [f"{title}, in percent:", format_scores(results, methods, score)]
        models = [m for m in MODELS if m in methods]
        if models:
            parts += [
                "Confidence, in percent, and the clusters used with the seed that uses "
                "fewest:",
                format_confidence(results, models),
            ]
        parts += ["Seconds a fit, on the mean:", format_seconds(results, methods)]
    if content["speed"]:
        parts += ["On defaults, median of three fits:"]
        parts += [format_speeds(content["speed"])]
    return "\n\n".join(parts)


def format_sets(sets):
    rows = [["set", "samples", "features", "classes", "of a class", "purity"]]
    for name in [name for name in SETS if name in sets]:
        facts = sets[name]
        sizes = facts["class_sizes"]
        rows.append(
            [
                name,
                f"{facts['n_samples']:,}",
                f"{facts['n_features']:,}",
                len(sizes),
                f"{min(sizes):,} to {max(sizes):,}",
                f"{100 * facts['neighbor_purity']:.1f}",
            ]
        )
    return format_table(rows)


def format_scores(results, methods, score):
    """Mean and deviation over seeds; the best of a set is bold."""
    body = [
        [name, *format_row([percents(runs.get(m, {}), score) for m in methods])]
        for name, runs in results.items()
        if runs
    ]
    means, gains = [], []
    for method in methods:
        known = is_complete(results, method)
        scores = [mean_score(results[name], method, score) for name in SETS if known]
        means.append([fmean(scores)] if known else [])
        known = known and is_complete(results, "k-means")
        gains.append(f"{mean_gain(results, method, score):+.1f}" if known else "")
    body += [["mean", *format_row(means)], ["gain over k-means", *gains]]
    return format_table([["set", *methods], *body])


def format_confidence(results, models):
    """The scores of probabilities, mean over seeds, and the number of clusters."""
    columns = [
        f"{m}: {title}" for m in models for title in (*CONFIDENCE.values(), "used")
    ]
    rows = [["set", *columns]]
    for name, runs in results.items():
        if any(runs.get(method) for method in models):
            cells = [format_model(runs.get(method, {})) for method in models]
            rows.append([name, *chain.from_iterable(cells)])
    return format_table(rows)


def format_model(runs):
    """Of one method on one set, the columns of its confidence."""
    scores = [percents(runs, score) for score in CONFIDENCE]
    used = fewest_clusters(runs) if runs else ""
    return [*(f"{fmean(s):.1f}" if s else "" for s in scores), used]


def format_seconds(results, methods):
    rows = [["set", *methods]]
    for name in [name for name in SETS if results[name]]:
        runs = results[name]
        seconds = [[r["seconds"] for r in runs.get(m, {}).values()] for m in methods]
        rows.append([name, *(f"{fmean(s):.1f}" if s else "" for s in seconds)])
    return format_table(rows)


def format_speeds(speeds):
    header = ["samples x features, clusters", "method", "seconds", "bar", "MB", "ACC"]
    rows = [header]
    for size, fits in speeds.items():
        for method, fit in fits.items():
            bar = SECONDS[size] if method == "SCAN" else ""
            accuracy = f"{100 * fit['accuracy']:.1f}"
            seconds = f"{fit['seconds']:.1f}"
            rows.append([size, method, seconds, bar, fit["megabytes"], accuracy])
    return format_table(rows)
