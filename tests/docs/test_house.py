"""The picture of the package shows it as it is, and refuses imports that lead up."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from draw_house import draw
from read_house import read_house

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def house():
    return read_house()


@pytest.fixture(scope="module")
def picture(house):
    return ElementTree.fromstring(draw(house))


def make_package(folder, layers, **sources):
    """Write a package of one file a room, and its import layers."""
    package = folder / "sklearn_scan"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package."""\n')
    for room, text in sources.items():
        (package / f"{room}.py").write_text(f'"""The room {room}."""\n{text}\n')
    (folder / "pyproject.toml").write_text(
        f'[[tool.importlinter.contracts]]\ntype = "layers"\nlayers = {layers}\n'
    )
    return folder


def test_every_room_of_the_package_is_drawn(picture):
    package = ROOT / "sklearn_scan"
    folders = {file.parent.name for file in package.glob("*/__init__.py")}
    files = {file.stem for file in package.glob("*.py")} - {"__init__"}
    drawn = [each.get("id") for each in picture.iter(f"{SVG}g")]
    assert sorted(drawn) == sorted(f"room-{room}" for room in folders | files)


def test_an_import_known_to_be_there_is_an_arrow(house, picture):
    assert ("pretext", "encoders") in house.arrows
    lines = [path.get("class", "").split() for path in picture.iter(f"{SVG}path")]
    assert any({"to-encoders", "from-pretext"} <= {*line} for line in lines)


def test_every_arrow_has_a_line_all_the_way(house, picture):
    lines = [path.get("class", "").split() for path in picture.iter(f"{SVG}path")]
    for user, used in house.arrows:
        n_parts = house.floor_of(used) - house.floor_of(user)
        found = [line for line in lines if {f"to-{used}", f"from-{user}"} <= {*line}]
        assert len(found) == n_parts + 1  # the head


def test_no_line_leads_up(picture):
    for path in picture.iter(f"{SVG}path"):
        if "head" in path.get("class"):
            continue
        numbers = [float(each) for each in re.findall(r"-?[\d.]+", path.get("d"))]
        assert len(numbers) == 9  # M x y C x y x y x y V y
        assert numbers[1] < numbers[7] <= numbers[8]


def test_no_two_boxes_overlap(picture):
    boxes = [
        (float(box.get("x")), float(box.get("y")), float(box.get("width")))
        for box in picture.iter(f"{SVG}rect")
        if box.get("class") == "box"
    ]
    for i, (x, y, _) in enumerate(boxes):
        for left, other_y, width in boxes[:i]:
            assert y != other_y or x > left + width or left > x + width


def test_the_caption_counts_what_is_there(house, picture):
    caption = next(picture.iter(f"{SVG}text")).text
    n_rooms, n_floors, n_arrows = map(int, re.findall(r"\d+", caption))
    assert n_rooms == len(list(picture.iter(f"{SVG}g")))
    assert n_arrows == len(house.arrows) > n_rooms
    assert n_floors == 1 + max(map(house.floor_of, house.rooms))


def test_imports_are_read_wherever_they_stand(tmp_path):
    top = (
        "import sklearn_scan.low\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from sklearn_scan import types\n"
        "def f():\n    from sklearn_scan.middle import x\n"
    )
    folder = make_package(
        tmp_path, ["top", "middle | types", "low"], top=top, middle="", types="", low=""
    )
    house = read_house(folder)
    assert house.arrows == {("top", "low"), ("top", "middle")}
    assert house.summaries["top"] == "The room top."


@pytest.mark.parametrize("layers", [["low", "top"], ["low | top"]])
def test_an_arrow_that_does_not_lead_down_is_refused(tmp_path, layers):
    folder = make_package(tmp_path, layers, top="from sklearn_scan import low", low="")
    with pytest.raises(ValueError, match=r"lower floor; got \['top -> low'"):
        read_house(folder)


def test_a_circle_is_refused(tmp_path):
    folder = make_package(
        tmp_path,
        ["a", "b"],
        a="from sklearn_scan.b import x",
        b="from sklearn_scan.a import y",
    )
    with pytest.raises(ValueError, match=r"lower floor; got \['b -> a'"):
        read_house(folder)


def test_a_room_without_a_floor_is_refused(tmp_path):
    folder = make_package(tmp_path, ["a"], a="", b="")
    with pytest.raises(ValueError, match=r"must name the rooms \['a', 'b'\]"):
        read_house(folder)


def test_contributing_says_what_each_room_is_for_from_the_bottom_to_the_top(house):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## The rooms")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    rooms = re.findall(r"`(\w+)`", " ".join(first_cells))
    floors = [house.floor_of(room) for room in rooms]
    assert sorted(rooms) == sorted(house.rooms)
    assert floors == sorted(floors, reverse=True)
