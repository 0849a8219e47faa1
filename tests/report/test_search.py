"""The search: it goes to its results at once, from wherever the page is."""

import pytest
from report_helpers import N_IMAGES, members

PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True}
DESK = {"viewport": {"width": 1400, "height": 700}}
IS_ON_A_CARD = "() => document.activeElement.dataset.action === 'rename'"


def scroll(page, share):
    """Scroll to a share of the page's height, and wait until it is there."""
    page.evaluate(
        """share => {
          scrollTo(0, share * (document.body.scrollHeight - innerHeight));
          return new Promise((resolve) => setTimeout(resolve, 50));
        }""",
        share,
    )


def is_in_view(page, selector):
    return page.locator(selector).first.evaluate(
        """element => {
          const { top, bottom } = element.getBoundingClientRect();
          return top >= 0 && bottom <= innerHeight;
        }"""
    )


def focused(page):
    return page.evaluate(
        "document.activeElement.dataset.row ?? document.activeElement.hash"
    )


@pytest.mark.parametrize(
    ("share", "delay", "settings"),
    [
        (0.0, 0, DESK),
        (0.5, 0, DESK | {"color_scheme": "dark"}),
        (1.0, 100, DESK),
        (1.0, 0, DESK),
        (0.5, 200, PHONE),
        (1.0, 0, PHONE),
    ],
)
def test_typing_goes_to_the_results(report, open_report, share, delay, settings):
    """Without "reduced motion", and with a first letter that finds every image."""
    with open_report(report, reduced_motion="no-preference", **settings) as opened:
        page = opened.page
        scroll(page, share)
        page.keyboard.press("/")
        page.keyboard.type("photo 1", delay=delay)
        assert page.locator("#results-title").text_content() == "10 images found"
        assert is_in_view(page, "#results-title")
        assert is_in_view(page, "#results .tile")
        page.keyboard.press("Enter")
        assert focused(page) == "10"
        page.keyboard.press("Enter")
        assert "photo 10" in page.locator("dialog#detail h2").text_content()


def test_the_results_stay_in_view_while_typing_goes_on(report, open_report):
    with open_report(report, **DESK) as opened:
        page = opened.page
        page.keyboard.press("/")
        page.keyboard.type("photo")
        scroll(page, 1.0)
        page.keyboard.type(" 2")
        assert page.locator("#results .tile").count() == 4
        assert is_in_view(page, "#results .tile")


def test_by_touch(report, open_report):
    with open_report(report, **PHONE) as opened:
        page = opened.page
        scroll(page, 0.5)
        opened.tap(page.locator("#search"))
        page.keyboard.type("photo 23")
        assert is_in_view(page, "#results-title")
        opened.tap(page.locator("#results .tile"))
        assert "photo 23" in page.locator("dialog#detail h2").text_content()
        opened.close()
        page.locator("#search").fill("cluster 2")
        opened.tap(page.locator("#results-clusters a"))
        assert is_in_view(page, "#cluster-2 h3")


@pytest.mark.parametrize("settings", [DESK, PHONE])
def test_clusters_are_found(report, open_report, clusterer, settings):
    with open_report(report, reduced_motion="no-preference", **settings) as opened:
        page = opened.page
        scroll(page, 1.0)
        page.keyboard.press("/")
        page.keyboard.type("Cluster 3")
        assert page.locator("#results-title").text_content() == "1 cluster found"
        link = page.locator("#results-clusters a")
        size = len(members(clusterer, 3))
        assert link.text_content() == f"cluster 3{size} images"
        page.keyboard.press("Enter")
        assert focused(page) == "#cluster-3"
        page.keyboard.press("Enter")
        page.wait_for_function(
            "() => document.activeElement.dataset.action === 'rename'"
        )
        assert is_in_view(page, "#cluster-3 h3")
        scroll(page, 0.0)  # the same link again
        link.click()
        page.wait_for_function(
            "() => document.activeElement.dataset.action === 'rename'"
        )
        assert is_in_view(page, "#cluster-3 h3")


def test_clusters_by_old_and_new_names(opened):
    page = opened.page
    links = page.locator("#results-clusters a")
    opened.rename(1, "Photo albums")
    opened.merge(3, into=2)
    page.locator("#search").fill("photo")
    found = f"1 cluster and {N_IMAGES} images found"
    assert page.locator("#results-title").text_content() == found
    page.locator("#search").fill("cluster 1")
    assert links.evaluate_all("ls => ls.map(l => l.hash)") == ["#cluster-1"]
    page.locator("#search").fill("cluster 3")  # part of another one
    assert links.evaluate_all("ls => ls.map(l => l.hash)") == ["#cluster-2"]
    page.locator("#undo").click()
    assert links.evaluate_all("ls => ls.map(l => l.hash)") == ["#cluster-3"]


def test_nothing_is_found(opened):
    page = opened.page
    scroll(page, 1.0)
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    assert page.locator("#results-title").text_content() == "Nothing found"
    assert page.locator("#results-hint").is_visible()
    assert is_in_view(page, "#results-hint")
    assert page.get_by_role("status").filter(has_text="Nothing found").count() == 1
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "search"
    assert page.locator("#status").text_content() == "Nothing found"
    page.locator("#search").fill("photo 03")
    assert page.locator("#results-hint").is_hidden()


def test_an_address_that_ends_with_a_cluster(opened, report):
    page = opened.page
    page.evaluate("location.hash = '#cluster-3'")
    page.wait_for_function(IS_ON_A_CARD)
    page.evaluate("document.activeElement.blur()")
    opened.reload()
    page.wait_for_function(IS_ON_A_CARD)
    assert is_in_view(page, "#cluster-3 h3")
    page.evaluate("location.hash = '#cluster-99'")  # which there is not
    opened.reload()
