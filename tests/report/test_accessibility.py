"""A report by keyboard, in both themes, in narrow windows, and for screen readers."""

import json

import pytest


def test_by_keyboard_alone(opened, clusterer):
    page = opened.page
    keys = page.keyboard
    keys.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    keys.type("photo 03")
    assert page.locator("#results .tile").count() == 1
    keys.press("Escape")
    opened.card(0).locator("[data-action=rename]").focus()
    keys.press("Enter")
    keys.type("by keys")
    keys.press("Enter")
    assert focused(page, "action") == "rename"
    assert "by keys" in opened.card(0).text_content()
    keys.press("Tab")
    assert focused(page, "action") == "merge"
    keys.press("Tab")  # the prototype
    keys.press("Tab")  # the most confident, one stop
    first = focused(page, "row")
    keys.press("ArrowRight")
    assert focused(page, "row") != first
    keys.press("Enter")
    assert page.locator("dialog#detail").is_visible()
    opened.close()
    assert focused(page, "row") != first
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.press("Control+z")
    assert "cluster 0" in opened.card(0).text_content()


def focused(page, name):
    return page.evaluate("name => document.activeElement.dataset[name]", name)


def test_focus_returns_to_what_an_edit_replaced(opened, clusterer):
    page = opened.page
    tile = opened.card(0).locator(".strip .tile").first
    tile.focus()
    row = tile.get_attribute("data-row")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.locator("#detail").get_by_role("button", name="Move", exact=True).click()
    opened.close()
    assert focused(page, "row") == row


def test_a_dialog_that_is_opened_again_at_once_is_not_emptied(opened):
    """The page hears of its closing only after that."""
    opened.card(0).locator(".strip .tile").first.evaluate(
        """tile => {
          const dialog = document.getElementById("detail");
          tile.click();
          dialog.close();
          tile.click();
          return new Promise((resolve) => dialog.addEventListener("close", resolve));
        }"""
    )
    assert opened.page.locator("#detail h2").is_visible()


def test_every_control_has_a_name(opened):
    """What a screen reader is told of buttons and fields is never nothing."""
    page = opened.page
    opened.act(0, "all")
    opened.page.locator("dialog#gallery .tile").first.click()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, select, input, canvas")].filter((e) =>
        !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length"""
    )
    assert nameless == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def relative_luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    lighter, darker = sorted([relative_luminance(a), relative_luminance(b)])[::-1]
    return (lighter + 0.05) / (darker + 0.05)


PAIRS = [
    *[(text, ground) for text in ("ink", "muted", "accent")
      for ground in ("ground", "panel", "sunken")],
    ("on-accent", "accent"), ("ink", "heat"),
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_theme(report, open_report, scheme):
    """Texts keep to WCAG AA; the theme follows the system, until one is chosen."""
    with open_report(report, color_scheme=scheme) as opened:
        colors = opened.page.evaluate(
            """(names) => names.map((name) => {
              const probe = document.body.appendChild(document.createElement("i"));
              probe.style.color = `var(--${name})`;
              const color = getComputedStyle(probe).color;
              probe.remove();
              return color.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255);
            })""",
            sorted({name for pair in PAIRS for name in pair}),
        )
        colors = dict(zip(sorted({n for p in PAIRS for n in p}), colors, strict=True))
        for text, ground in PAIRS:
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        assert (relative_luminance(colors["ground"]) < 0.1) == (scheme == "dark")
        theme = opened.page.locator("#theme")
        assert theme.get_attribute("aria-pressed") == str(scheme == "dark").lower()
        theme.click()
        opened.reload()
        assert theme.get_attribute("aria-pressed") == str(scheme != "dark").lower()
        colors = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(json.loads(f"[{colors[4:-1]}]")) < 120) == (scheme != "dark")


def test_narrow_windows(opened):
    for width in (360, 800):
        opened.page.set_viewport_size({"width": width, "height": 700})
        opened.page.wait_for_function("width => innerWidth === width", arg=width)
        assert opened.page.evaluate("document.body.scrollWidth") <= width
