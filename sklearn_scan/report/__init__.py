"""The HTML page that shows a clustering, and on which people correct it."""

from sklearn_scan.report._write import write_report

__all__ = ["write_report"]
