"""A browser that opens reports and notes what goes wrong."""

import shutil
from collections import defaultdict
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pytest
from report_helpers import N_IMAGES, make_clusterer, make_images

from sklearn_scan.report import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 10_000  # milliseconds for what is waited for


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    sync_api.expect.set_options(timeout=TIMEOUT)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Opened:
    """A report in a tab: `page` and `expect` are playwright's."""

    def __init__(self, page, expect):
        self.page = page
        self.expect = expect
        self.complaints = []
        self.requests = []
        page.set_default_timeout(TIMEOUT)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path):
        self.complaints.clear()
        self.requests.clear()
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        return self

    def forget(self):
        """Forget what the last test has left; tell whether that was possible."""
        page = self.page
        was_emulated = page.evaluate("matchMedia('print').matches")
        if was_emulated or len(page.context.pages) > 1:
            return False
        page.evaluate("localStorage.clear()")
        page.mouse.move(0, 0)
        return True

    def reload(self):
        self.page.reload()
        self.page.wait_for_selector("html[data-ready]")

    def close(self):
        """Close the dialog on top, and wait until the page has heard of it.

        The browser tells it only after the key is done. Then it empties the dialog, and
        gives the focus back.
        """
        shown = self.page.locator("dialog[open]")
        n_shown = shown.count()
        self.page.keyboard.press("Escape")
        self.expect(shown).to_have_count(n_shown - 1)
        self.expect(self.page.locator("dialog:not([open]) > *")).to_have_count(0)

    def tap(self, locator):
        """Tap, and wait until the page has heard of it: a click comes after it."""
        locator.evaluate(
            """element => {
                window.tapped = false;
                const once = { once: true };
                const heard = () => { window.tapped = true; };
                element.addEventListener("click", heard, once);
            }"""
        )
        locator.tap()
        self.page.wait_for_function("window.tapped")

    def check_quiet(self, path):
        assert self.complaints == []
        others = [url for url in self.requests if not url.startswith("blob:")]
        assert set(others) <= {path.as_uri()}, others

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def rename(self, cluster, name):
        self.act(cluster, "rename")
        field = self.page.get_by_label("Name of the cluster")
        field.fill(name)
        field.press("Enter")

    def merge(self, cluster, into):
        self.act(cluster, "merge")
        dialog = self.page.locator("dialog#merge")
        dialog.get_by_label("Merge into").select_option(str(into))
        dialog.get_by_role("button", name="Merge").click()

    def move(self, name, into):
        """Move an image found by its name."""
        self.page.locator("#search").fill(name)
        self.page.locator("#results .tile").first.click()
        dialog = self.page.locator("dialog#detail")
        dialog.get_by_label("Move to").select_option(str(into))
        dialog.get_by_role("button", name="Move", exact=True).click()
        self.close()
        self.page.locator("#search").fill("")

    def card(self, cluster):
        """Return a cluster's card, which is drawn when it comes into view."""
        card = self.page.locator(f"#cluster-{cluster}")
        card.scroll_into_view_if_needed()
        self.page.locator(f"#cluster-{cluster}:not([data-stale])").wait_for()
        return card

    def group(self, n_groups):
        """Move the slider, and wait until so many groups are left."""
        self.page.locator("#granularity").fill(str(n_groups))
        self.expect(self.page.locator(".card")).to_have_count(n_groups)

    def act(self, cluster, action):
        self.card(cluster).locator(f"[data-action={action}]").click()

    def load(self, path):
        """Load edits, and return what the report says of them."""
        self.page.evaluate("document.getElementById('status').textContent = ''")
        self.page.locator("#downloads > summary").click()
        with self.page.expect_file_chooser() as info:
            self.page.get_by_role("button", name="Load edits").click()
        info.value.set_files(path)
        said = self.page.locator("#status:not(:empty)")
        return said.text_content()

    def download(self, name):
        """Return the bytes of a file that the report offers."""
        self.page.locator("#downloads > summary").click()
        with self.page.expect_download() as info:
            self.page.locator(f"button:has-text('{name}')").click()
        assert info.value.suggested_filename == name
        with open(info.value.path(), "rb") as file:
            return file.read()


@pytest.fixture(scope="session")
def tabs(chromium):
    """Tabs that tests have left, by their settings: a new one takes longer to open."""
    tabs = defaultdict(list)
    yield tabs
    for opened in chain(*tabs.values()):
        opened.page.context.close()


@pytest.fixture
def open_report(chromium, tabs):
    """Open a report in a browser that knows nothing of others.

    Unless told otherwise, it must not have complained, nor asked for anything but the
    file and what is in it.
    """
    from playwright.sync_api import expect

    @contextmanager
    def opening(path, *, may_complain=False, **settings):
        settings = {"reduced_motion": "reduce"} | settings  # nothing to wait for
        alike = tabs[repr(sorted(settings.items()))]
        if alike:
            opened = alike.pop()
        else:
            opened = Opened(chromium.new_context(**settings).new_page(), expect)
        size = opened.page.viewport_size
        is_left_clean = False
        try:
            yield opened.open(path)
            if not may_complain:
                opened.check_quiet(path)
                is_left_clean = opened.page.viewport_size == size and opened.forget()
        finally:
            if is_left_clean:
                alike.append(opened)
            else:
                opened.page.context.close()

    return opening


@pytest.fixture(scope="session")
def names():
    return [f"/photos/set/photo {i:02}.png" for i in range(N_IMAGES)]


@pytest.fixture(scope="session")
def clusterer(names):
    return make_clusterer(N_IMAGES, names=names)


@pytest.fixture(scope="session")
def report(clusterer, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    y = np.array(["a", "b", "c", "d"])[np.arange(N_IMAGES) % 4]
    write_report(path, clusterer, make_images(N_IMAGES), y=y, title="Holidays")
    return path


@pytest.fixture
def opened(report, open_report):
    with open_report(report) as opened:
        yield opened
