"""Figures as Markdown, and the pages that they are written into."""

from statistics import fmean, stdev

_END = "<!-- end of tables -->"


def percents(runs, score="accuracy"):
    """The score of each run that has it, in percent."""
    known = [run[score] for run in runs.values() if run.get(score) is not None]
    return [100 * value for value in known]


def format_machine(machine):
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return (
        f"{machine['device']}, {machine['cores']} cores, {machine['threads']} threads; "
        f"Python {machine['python']}, {versions}."
    )


def format_table(rows):
    """Return a table of which the first row is the header."""
    header, *body = rows
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def format_row(cells):
    """Format lists of percents, one a method: mean and deviation; the best is bold."""
    best = max((fmean(values) for values in cells if values), default=0)
    texts = []
    for values in cells:
        text = f"{fmean(values):.1f}" if values else ""
        if values and fmean(values) == best:
            text = f"**{text}**"
        if len(values) > 1:
            text += f" ± {stdev(values):.1f}"
        texts.append(text)
    return texts


def rewrite(file, tables, script):
    """Put the tables of a script between the markers of a Markdown file, if it exists.

    Parameters
    ----------
    file : Path
    tables, script : str
        The Markdown, and the name of the script, which the first marker has.
    """
    if not file.is_file():
        return
    start = f"<!-- tables: written by examples/benchmarks/{script} -->"
    before, rest = file.read_text().split(start)
    after = rest.split(_END)[1]
    file.write_text(f"{before}{start}\n\n{tables}\n\n{_END}{after}")
