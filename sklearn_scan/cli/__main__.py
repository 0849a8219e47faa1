"""`python -m sklearn_scan.cli`, where the command is not on the path."""

from sklearn_scan.cli import main

main(prog_name="sklearn-scan")
