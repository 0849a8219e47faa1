"""The command that reports and clears a cache of embeddings."""

import argparse

from sklearn_scan.cache import cache_info, clear_cache


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_scan.cache",
        description="Report the size of a cache of embeddings, or clear it.",
    )
    parser.add_argument("folder", help="what was passed as memory=")
    parser.add_argument("--clear", action="store_true", help="delete what it holds")
    arguments = parser.parse_args()
    if arguments.clear:
        print(f"Deleted: {clear_cache(arguments.folder)}")
    else:
        print(cache_info(arguments.folder))


if __name__ == "__main__":
    main()
