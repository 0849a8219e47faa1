"""`sklearn-scan cache`: the cache of embeddings."""

from __future__ import annotations

import click

from sklearn_scan.cli._console import Console
from sklearn_scan.cli._parameters import default_cache
from sklearn_scan.encoders.cache import cache_info, clear_cache


@click.command("cache")
@click.option(
    "--memory",
    type=click.Path(file_okay=False),
    help="The folder given as --memory.  [default: $SKLEARN_SCAN_CACHE, or ~/.cache]",
)
@click.option("--clear", is_flag=True, help="Delete the embeddings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(memory: str | None, clear: bool, as_json: bool) -> None:
    """Show the encoders whose embeddings are in the cache, and the space they take."""
    place = memory or default_cache()
    info = clear_cache(place) if clear else cache_info(place)
    result = {"folder": info.folder, "encoders": [e._asdict() for e in info.encoders]}
    with Console(as_json=as_json) as console:
        console.say(result, f"Deleted: {info}" if clear else str(info))
