"""The figures of jule.py as Markdown, and whether they meet its bars."""

import operator
from statistics import fmean
from typing import NamedTuple

import numpy as np
from benchmark_tables import format_machine, format_row, format_table, percents

N_SEEDS = 3
SETS = {
    "digits": "digits",
    "usps": "USPS",
    "mnist_test": "MNIST-test",
    "coil20": "COIL-20",
}
SCORES = {"nmi": "NMI", "accuracy": "ACC"}
# In percent. NMI is the paper's: of the clusters that the training ends with (SF), and
# of a clustering that is run again on what was learnt (RC). The paper has no ACC.
PUBLISHED = {
    "nmi": {
        "JULE-SF, published": {"usps": 85.8, "mnist_test": 87.6, "coil20": 100.0},
        "JULE-RC, published": {"usps": 91.3, "mnist_test": 91.5, "coil20": 100.0},
    },
    "accuracy": {"JULE, in later papers": {"usps": 95.0, "mnist_test": 96.1}},
}

LINKAGE_BARS = {"digits": {"nmi": 89}, "usps": {"nmi": 82}}
LINKAGE_BARS["mnist_test"] = {"nmi": 84, "accuracy": 84}
RIVALS, LINKAGE_SECONDS = ("Ward", "spectral", "HDBSCAN"), 8
JULE_BARS, JULE_MINUTES = {"coil20": 98, "usps": 90, "mnist_test": 90}, 20
LARGEST, LARGEST_SECONDS, LARGEST_GB = 70_000, 180, 2


_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le}


class Bar(NamedTuple):
    """What was wanted of a figure, and what was found; None where it is not known."""

    name: str
    sign: str  # of _COMPARE
    wanted: float | None
    found: float | None

    @property
    def is_known(self):
        return self.wanted is not None and self.found is not None

    @property
    def is_met(self):
        return self.is_known and _COMPARE[self.sign](self.found, self.wanted)

    def cells(self):
        """Return the row of the table."""
        wanted, found = (
            "" if number is None else f"{number:.1f}"
            for number in (self.wanted, self.found)
        )
        met = ("yes" if self.is_met else "**no**") if self.is_known else "not yet run"
        return [self.name, f"{self.sign} {wanted}", found, met]


def find_bars(content):
    return [
        *linkage_bars(content["results"]),
        *growth_bars(content["growth"]),
        *jule_bars(content["results"]),
    ]


def linkage_bars(results):
    """Yield those of the linkage alone, beside other methods without training."""
    for name, least in LINKAGE_BARS.items():
        runs = results.get(name, {})
        linkage = runs.get("linkage", {})
        for score, bar in least.items():
            label = f"linkage, {SETS[name]}, {SCORES[score]}"
            yield Bar(label, ">=", bar, mean_percent(linkage, score))
        nmi = mean_percent(linkage, "nmi")
        for rival in RIVALS:
            label = f"linkage, {SETS[name]}, NMI, beside {rival}"
            yield Bar(label, ">", mean_percent(runs.get(rival, {}), "nmi"), nmi)
        seconds = longest(linkage)
        yield Bar(f"linkage, {SETS[name]}, seconds", "<=", LINKAGE_SECONDS, seconds)


def jule_bars(results):
    """Yield those of JULE: the mean of all seeds, and the slowest one."""
    for name, bar in JULE_BARS.items():
        runs = results.get(name, {}).get("JULE", {})
        if len(runs) < N_SEEDS:
            runs = {}
        seconds = longest(runs)
        minutes = None if seconds is None else seconds / 60
        yield Bar(f"JULE, {SETS[name]}, NMI", ">=", bar, mean_percent(runs, "nmi"))
        yield Bar(f"JULE, {SETS[name]}, minutes", "<=", JULE_MINUTES, minutes)


def growth_bars(rows):
    """Yield those of the linkage of the most samples."""
    seconds = gigabytes = None
    for row in rows:
        if row["n"] == LARGEST:
            seconds, gigabytes = all_seconds(row), row["peak GB"]
    label = f"linkage, {LARGEST:,} samples"
    yield Bar(f"{label}, seconds", "<=", LARGEST_SECONDS, seconds)
    yield Bar(f"{label}, peak GB", "<=", LARGEST_GB, gigabytes)


def mean_percent(runs, score):
    return fmean(percents(runs, score)) if runs else None


def longest(runs):
    return max((run["seconds"] for run in runs.values()), default=None)


def all_seconds(row):
    return row["seconds of neighbours"] + row["seconds of merging"]


def failed_bars(content):
    """Return a line for each bar that is missed; a tiny run has none."""
    if content["quick"]:
        return []
    missed = [bar for bar in find_bars(content) if bar.is_known and not bar.is_met]
    return [f"{bar.name}: {bar.found:.2f}, not {bar.wanted:.2f}" for bar in missed]


def format_tables(content, methods):
    """Return all tables as Markdown, from the content of the JSON file.

    Parameters
    ----------
    content : dict
        Of the machine, the sets, the results and the growth.
    methods : iterable of str
        The order of the rows.
    """
    parts = ["Measured on " + format_machine(content["machine"])]
    if content["quick"]:
        parts.append(
            "**These are not results.** They come from a tiny run, with "
            "`--quick`, that only tests the script."
        )
    methods = [m for m in methods if any(m in r for r in content["results"].values())]
    if methods:
        parts += ["The sets:", format_sets(content["sets"])]
        for score, title in SCORES.items():
            table = format_scores(content["results"], methods, score)
            parts += [f"{title}, in percent:", table]
        seconds = format_seconds(content["results"], methods)
        parts += ["Seconds a fit, on the mean:", seconds]
    if content["growth"]:
        parts += ["The linkage of more and more samples:"]
        parts += [format_growth(content["growth"])]
        parts += [describe_growth(content["growth"])]
    if not content["quick"]:
        rows = [bar.cells() for bar in find_bars(content)]
        parts += ["The bars:", format_table([["", "wanted", "found", "met"], *rows])]
    return "\n\n".join(parts)


def known_sets(found):
    return [name for name in SETS if name in found]


def format_sets(sets):
    rows = [["set", "images", "pixels", "classes"]]
    for name in known_sets(sets):
        facts = sets[name]
        n_samples, n_features = facts["n_samples"], facts["n_features"]
        rows.append(
            [SETS[name], f"{n_samples:,}", f"{n_features:,}", facts["n_classes"]]
        )
    return format_table(rows)


def format_scores(results, methods, score):
    """Mean and deviation over seeds, and published figures; our best is bold."""
    names = known_sets(results)
    columns = [
        format_row([percents(results[name].get(m, {}), score) for m in methods])
        for name in names
    ]
    rows = [["method", *(SETS[name] for name in names)]]
    rows += [[*row] for row in zip(methods, *columns, strict=True)]
    for label, figures in PUBLISHED[score].items():
        rows.append([label, *(figures.get(name, "") for name in names)])
    return format_table(rows)


def format_seconds(results, methods):
    names = known_sets(results)
    rows = [["method", *(SETS[name] for name in names)]]
    for method in methods:
        seconds = [
            [run["seconds"] for run in results[name].get(method, {}).values()]
            for name in names
        ]
        rows.append([method, *(f"{fmean(s):.1f}" if s else "" for s in seconds)])
    return format_table(rows)


def format_growth(rows):
    header = "samples x features", "neighbours, s", "merging, s", "both, s", "peak GB"
    table = [header]
    for row in sorted(rows, key=lambda row: row["n"]):
        seconds = row["seconds of neighbours"], row["seconds of merging"]
        cells = (f"{figure:.1f}" for figure in (*seconds, all_seconds(row)))
        size = f"{row['n']:,} x {row['d']}"
        table.append([size, *cells, f"{row['peak GB']:.2f}"])
    return format_table(table)


def describe_growth(rows):
    """Return the exponents of growth as a sentence; an empty one of a single size."""
    if len(rows) < 2:
        return ""
    sizes = np.array([row["n"] for row in rows])
    merging = exponent(sizes, [row["seconds of merging"] for row in rows])
    search = exponent(sizes, [row["seconds of neighbours"] for row in rows])
    usual = exponent(sizes, sizes * np.log(sizes))
    return (
        f"The time of merging grows as n^{merging:.2f}, and that of the exact search "
        f"for neighbours as n^{search:.2f}; n log n grows as n^{usual:.2f} over these "
        "sizes."
    )


def exponent(sizes, values):
    """Return the power of the size that fits best."""
    return np.polyfit(np.log(sizes), np.log(values), 1)[0]
