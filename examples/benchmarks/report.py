"""How long a report takes to write, how large it is, and how soon it can be used.

Needs the photos and weights of SKLEARN_SCAN_DATA (default: ../shared/data from the
project's root, with ../shared/weights beside it), and for "many" playwright and a
Chromium.

    python examples/benchmarks/report.py [photos|many ...] [--json FILE]

"photos" reports on trashnet, with a fit by MobileNetV2; "many" on 10,000 photos of
imagenette, some of them several times, and opens the page.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from benchmark_machine import describe_machine
from embed import DATA, make_encoder, timed, unpack

from sklearn_scan import SCANClusterer
from sklearn_scan.report import write_report

N_IMAGES = 10_000
MOST_SECONDS, MOST_MEGABYTES, MOST_SECONDS_TO_OPEN = 20, 40, 3
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Once prototypes are painted and a dialog opens on a press, the page is in use.
PAINTED = ".card-proto .tile img[src]"


def photos(folder):
    """Report on 2,527 photos, beyond the fit."""
    paths = unpack("trashnet", folder)
    clusterer = SCANClusterer(6, encoder=make_encoder(), random_state=0)
    seconds_to_fit, _ = timed(clusterer.fit, paths)
    classes = [Path(path).parent.name for path in paths]
    report = folder / "report.html"
    seconds, _ = timed(lambda: write_report(report, clusterer, paths, y=classes))
    results = {
        "images": len(paths),
        "fit, s": round(seconds_to_fit, 1),
        "report, s": round(seconds, 1),
        "MB": round(report.stat().st_size / 1e6, 1),
        "ACC": round(clusterer.score(paths, classes), 3),
    }
    assert seconds <= MOST_SECONDS, results
    return results


def many(folder):
    """Report on 10,000 photos, and open it."""
    photographs = unpack("imagenette-3k", folder)
    paths = (photographs * (N_IMAGES // len(photographs) + 1))[:N_IMAGES]
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((20, 64)).astype(np.float32)
    features = centers[rng.integers(0, 20, N_IMAGES)]
    features += rng.standard_normal(features.shape).astype(np.float32) / 2
    clusterer = SCANClusterer(20, n_heads=3, max_epochs=5, random_state=0)
    report = folder / "report.html"
    clusterer.fit(features)
    seconds, _ = timed(write_report, report, clusterer, paths)
    results = {
        "images": N_IMAGES,
        "report, s": round(seconds, 1),
        "MB": round(report.stat().st_size / 1e6, 1),
        **open_in_browser(report),
    }
    assert results["MB"] <= MOST_MEGABYTES, results
    assert results["usable after, s"] <= MOST_SECONDS_TO_OPEN, results
    return results


def open_in_browser(report):
    """Return the seconds until a report is drawn, and until a press has its effect."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(report.as_uri(), wait_until="commit")
        page.locator(PAINTED).first.wait_for()
        painted = time.perf_counter() - start
        page.locator("[data-action=all]").first.click()
        page.locator("#gallery .tile img[src]").first.wait_for()
        usable = time.perf_counter() - start
        version = browser.version
        browser.close()
    return {
        "chromium": version,
        "painted after, s": round(painted, 2),
        "usable after, s": round(usable, 2),
    }


def main():
    benchmarks = {benchmark.__name__: benchmark for benchmark in (photos, many)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmarks", nargs="*", metavar="benchmark", default=[])
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    chosen = arguments.benchmarks or list(benchmarks)
    if unknown := set(chosen) - set(benchmarks):
        parser.error(f"unknown: {sorted(unknown)}; known: {list(benchmarks)}")
    if not DATA.is_dir():
        parser.error(f"no images at {DATA}: set SKLEARN_SCAN_DATA to their folder")
    load = round(os.getloadavg()[0], 2)
    content = {"machine": describe_machine(), "load at start": load, "results": {}}
    print(json.dumps(content, indent=1))
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            results = benchmarks[name](Path(folder))
        print(name, json.dumps(results, indent=1), flush=True)
        content["results"][name] = results
    if arguments.json:
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
