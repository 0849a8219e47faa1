"""The figures of frozen.py as Markdown, and whether they meet its bars."""

from statistics import fmean, stdev

from benchmark_features import JUDGED, SETS
from benchmark_tables import format_machine, format_row, format_table, percents

N_SEEDS = 5
SCORES = {"accuracy": "ACC", "nmi": "NMI", "ari": "ARI"}
SPEED_BARS = {"10,000 x 1,280": 20, "50,000 x 384": 40}  # seconds


def mean_gain(results, method, score="accuracy"):
    """The points by which a method is better than k-means, on the mean of all sets."""
    return fmean(
        fmean(percents(results[name][method], score))
        - fmean(percents(results[name]["k-means"], score))
        for name in JUDGED
    )


def is_complete(results, method):
    return all(results.get(name, {}).get(method) for name in JUDGED)


def failed_bars(results, methods):
    """Return a line for each bar that is not met, or cannot be judged yet.

    Parameters
    ----------
    results : dict
        The runs by set, method and seed.
    methods : iterable of str
        All that are to be compared.
    """
    unfinished = []
    for name in JUDGED:
        missing = [m for m in methods if not results.get(name, {}).get(m)]
        if missing:
            unfinished.append(f"{name}: {', '.join(missing)} not yet run")
    if unfinished:
        return unfinished
    gains = {method: mean_gain(results, method) for method in methods}
    failed = [
        f"{method}: a mean gain of {gains[method]:.2f}, not {bar}"
        for method, bar in (("SCAN", 6), ("TEMI", 4))
        if gains[method] < bar
    ]
    failed += [
        f"{method} gains {gain:.2f} on the mean, SCAN {gains['SCAN']:.2f}"
        for method, gain in gains.items()
        if gain > gains["SCAN"]
    ]
    for name in JUDGED:
        scan = percents(results[name]["SCAN"])
        k_means = fmean(percents(results[name]["k-means"]))
        if fmean(scan) < k_means - 0.5:
            failed.append(f"{name}: SCAN {fmean(scan):.2f}, k-means {k_means:.2f}")
        if len(scan) < N_SEEDS:
            failed.append(f"{name}: SCAN was run with {len(scan)} seeds")
        elif stdev(scan) > 1:
            failed.append(f"{name}: SCAN deviates by {stdev(scan):.2f} over seeds")
    return failed


def failed_speeds(speeds):
    """Return a line for each size at which a fit takes too long."""
    return [
        f"{size}: {speeds[size]['seconds']} s, not {bar}"
        for size, bar in SPEED_BARS.items()
        if speeds[size]["seconds"] > bar
    ]


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
        parts += ["Seconds a fit, on the mean:", format_seconds(results, methods)]
    if content["speed"]:
        parts += ["SCAN on defaults, median of three fits:"]
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
    cells = {
        name: [percents(runs.get(method, {}), score) for method in methods]
        for name, runs in results.items()
    }
    means, gains = [], []
    for i, method in enumerate(methods):
        known = is_complete(results, method)
        means.append([fmean(fmean(cells[name][i]) for name in JUDGED)] if known else [])
        known = known and is_complete(results, "k-means")
        gains.append(f"{mean_gain(results, method, score):+.1f}" if known else "")
    body = [[name, *format_row(cells[name])] for name in JUDGED if results[name]]
    body += [["mean", *format_row(means)], ["gain over k-means", *gains]]
    beside = [name for name in SETS if name not in JUDGED and results[name]]
    body += [[f"{name}, not in the mean", *format_row(cells[name])] for name in beside]
    return format_table([["set", *methods], *body])


def format_seconds(results, methods):
    rows = [["set", *methods]]
    for name in [name for name in SETS if results[name]]:
        runs = results[name]
        seconds = [[r["seconds"] for r in runs.get(m, {}).values()] for m in methods]
        rows.append([name, *(f"{fmean(s):.1f}" if s else "" for s in seconds)])
    return format_table(rows)


def format_speeds(speeds):
    rows = [["samples x features", "seconds", "bar", "ACC"]]
    for size, fit in speeds.items():
        accuracy = f"{100 * fit['accuracy']:.1f}"
        rows.append([size, f"{fit['seconds']:.1f}", SPEED_BARS[size], accuracy])
    return format_table(rows)
