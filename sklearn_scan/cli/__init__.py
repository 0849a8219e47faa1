"""The command `sklearn-scan`: from a folder of photos to groups, without Python."""

from sklearn_scan.cli._main import main

__all__ = ["main"]
