"""The picture of the package: rooms on floors, and an arrow for each import.

``python docs/draw_house.py house.svg`` writes it. Rooms and arrows are read from the
imports of the package, and floors from the import layers in pyproject.toml.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from read_house import House, read_house

# In units of the picture, which is as wide as the text of a page.
_WIDTH, _LEFT = 880, 30
_BOX_WIDTH, _BOX_HEIGHT, _FLOOR_HEIGHT, _LANE = 156, 52, 106, 13
# A room and the arrows to it have one colour, which can be seen on white and on black.
# It is grey where most rooms import it.
_COLORS = (
    "#4c7fd0", "#c8741e", "#2f9461", "#c4527a", "#8a63c9",
    "#a8872a", "#21939b", "#cb5a4a", "#6f8f35", "#a760ae",
)  # fmt: skip
_GREYS = ("#7b818c", "#a08d78")
_NO_COLOR = "#9aa0a8"  # of a room that no other imports
_STYLE = """
.house { width: 100%; min-width: 40rem }
.house text { font-family: var(--pst-font-family-base, sans-serif) }
.house text { fill: var(--pst-color-text-base, #222) }
.house .caption { font-size: 16px }
.house .small { font-size: 13px; fill: var(--pst-color-text-muted, #666) }
.house .name { font: 600 16px var(--pst-font-family-monospace, monospace) }
.house .name, .house .part { text-anchor: middle }
.house .floor { fill: var(--pst-color-surface, #f4f5f7) }
.house .box { fill: var(--pst-color-background, #fff); stroke-width: 1.6 }
.house path { stroke-width: 1.5 }
.house path:not(.head) { fill: none }
"""
# Beneath the pointer a room shows its own arrows, and the others fade.
_STYLE_OF_ROOM = """
.house:has(#room-{room}:hover) path:not(.to-{room}, .from-{room}) {{ opacity: 0.1 }}
"""


class _Way(NamedTuple):
    """A way for the line to a room, from its floor upwards."""

    length: float
    x: float  # where it is on the last floor
    gaps: tuple[int, ...]


class _Part(NamedTuple):
    """A part of the line to a room: from one floor to the next."""

    floor: int  # the upper one
    above: float  # where it begins
    below: float  # where it ends
    users: list[str]  # whose arrows it carries
    is_first: bool  # whether it begins at a room


class _Plan:
    """Where rooms stand, and which way their arrows take.

    All arrows to a room join into one line. It goes down between the boxes of the
    floors in between.
    """

    def __init__(self, house: House, floors: list[list[str]]) -> None:
        self.house = house
        self.floors = floors
        self.x = {
            room: _LEFT
            + (_WIDTH - _LEFT) / 2
            + (i - (len(rooms) - 1) / 2) * _step(rooms)
            for rooms in floors
            for i, room in enumerate(rooms)
        }
        self._gaps: dict[tuple[str, int], int] = {}  # by room and floor
        self._lanes: dict[tuple[str, int], float] = {}
        for room in house.rooms:
            self._choose_gaps(room)
        for _ in range(4):
            self._order_lanes()

    def parts(self, room: str) -> Iterator[_Part]:
        """Yield the parts of the line to a room."""
        users = {user: self.house.floor_of(user) for user in self.house.users(room)}
        for user, floor in users.items():
            yield _Part(floor, self.x[user], self._lane(room, floor + 1), [user], True)
        for floor in range(self.house.floor_of(room)):
            if (room, floor) in self._lanes:
                above, below = self._lane(room, floor), self._lane(room, floor + 1)
                carried = [user for user in users if users[user] < floor]
                yield _Part(floor, above, below, carried, False)

    def cost(self) -> float:
        """Return how far aside the lines go, and how often they cross."""
        parts = [part for room in self.house.rooms for part in self.parts(room)]
        aside = sum(abs(part.above - part.below) for part in parts)
        crossings = sum(
            a.floor == b.floor and (a.above - b.above) * (a.below - b.below) < 0
            for i, a in enumerate(parts)
            for b in parts[:i]
        )
        return aside / 100 + crossings

    def _lane(self, room: str, floor: int) -> float:
        """Return where the line to a room meets a floor."""
        return self._lanes.get((room, floor), self.x[room])

    def _middles(self, floor: int) -> list[float]:
        """Return the middles of the gaps beside and between the boxes of a floor."""
        rooms = self.floors[floor]
        aside = _BOX_WIDTH / 2 + 45
        between = [self.x[room] + _step(rooms) / 2 for room in rooms[:-1]]
        return [self.x[rooms[0]] - aside, *between, self.x[rooms[-1]] + aside]

    def _choose_gaps(self, room: str) -> None:
        """Choose the gaps that the line to a room goes through: the shortest way."""
        users = {user: self.house.floor_of(user) for user in self.house.users(room)}
        if not users:
            return
        top, last = min(users.values()), self.house.floor_of(room)
        ways = [_Way(0.0, self.x[room], ())]
        for floor in range(last - 1, top, -1):
            ways = self._join(ways, users, floor)
            taken = [gap for (_, on), gap in self._gaps.items() if on == floor]
            ways = [
                min(
                    _Way(
                        way.length + abs(middle - way.x) + 12 * taken.count(gap),
                        middle,
                        (*way.gaps, gap),
                    )
                    for way in ways
                )
                for gap, middle in enumerate(self._middles(floor))
            ]
        gaps = min(self._join(ways, users, top)).gaps
        for floor, gap in zip(range(last - 1, top, -1), gaps, strict=True):
            self._gaps[room, floor] = gap
            self._lanes[room, floor] = self._middles(floor)[gap]

    def _join(self, ways: list[_Way], users: dict[str, int], floor: int) -> list[_Way]:
        """Return the ways, longer by the arrows that join from a floor."""
        joining = [self.x[user] for user in users if users[user] == floor]
        return [
            way._replace(length=way.length + sum(abs(x - way.x) for x in joining))
            for way in ways
        ]

    def _order_lanes(self) -> None:
        """Set the lines of each gap side by side, by where they come from and go."""
        groups: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for (room, floor), gap in self._gaps.items():
            groups[floor, gap].append(room)
        for (floor, gap), rooms in groups.items():
            pulls = {room: self._pull(room, floor) for room in rooms}
            rooms.sort(key=pulls.__getitem__)
            middle = self._middles(floor)[gap]
            for i, room in enumerate(rooms):
                self._lanes[room, floor] = middle + _LANE * (i - (len(rooms) - 1) / 2)

    def _pull(self, room: str, floor: int) -> float:
        above = [part.above for part in self.parts(room) if part.floor == floor - 1]
        return sum(above) / len(above) + self._lane(room, floor + 1)


def _step(rooms: list[str]) -> float:
    """Return the distance between the middles of boxes on one floor."""
    most = (_WIDTH - _LEFT - _BOX_WIDTH - 90) / max(len(rooms) - 1, 1)
    return min(most, 256)


def _make_plan(house: House) -> _Plan:
    """Return a plan that no other order of the rooms on one floor improves."""
    best = _Plan(house, house.floors)
    while True:
        orders = [
            [*best.floors[:i], list(order), *best.floors[i + 1 :]]
            for i, rooms in enumerate(best.floors)
            for order in permutations(rooms)
        ]
        plan = min((_Plan(house, order) for order in orders), key=_Plan.cost)
        if plan.cost() >= best.cost():
            return best
        best = plan


def describe(house: House) -> str:
    """Return how much there is to see in the picture."""
    return (
        f"{len(house.rooms)} rooms on {len(house.floors)} floors, {len(house.arrows)} "
        "arrows. Each arrow leads down, from a room to one that it imports from."
    )


def draw(house: House) -> str:
    """Return the picture as SVG, in the colours of the page that it stands on."""
    plan = _make_plan(house)
    colors = _choose_colors(house)
    n_floors = len(house.floors)
    shapes = [f'<text class="caption" x="0" y="18">{describe(house)}</text>']
    shapes += [_draw_floor(floor, n_floors) for floor in range(n_floors)]
    ports = _find_ports(plan)
    for room in house.rooms:
        shapes += _draw_line(plan, room, colors[room], ports)
    for room in house.rooms:
        shapes += _draw_box(plan, room, colors[room])
    height = _top(n_floors - 1) + _BOX_HEIGHT + 10
    style = _STYLE + "".join(_STYLE_OF_ROOM.format(room=room) for room in house.rooms)
    return (
        '<svg class="house" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="The rooms of the '
        f'package and their imports"><style>{style}</style>{"".join(shapes)}</svg>\n'
    )


def _draw_floor(floor: int, n_floors: int) -> str:
    y = _top(floor)
    return (
        f'<rect class="floor" y="{y - 10}" width="{_WIDTH}" rx="8" '
        f'height="{_BOX_HEIGHT + 20}"/><text class="small" x="12" '
        f'y="{y + _BOX_HEIGHT / 2 + 4}">{n_floors - floor}</text>'
    )


def _choose_colors(house: House) -> dict[str, str]:
    colors, greys = (iter(each * len(house.rooms)) for each in (_COLORS, _GREYS))
    n_users = {room: len(house.users(room)) for room in house.rooms}
    return {
        room: next(greys if n > len(n_users) / 2 else colors) if n else _NO_COLOR
        for room, n in n_users.items()
    }


def _find_ports(plan: _Plan) -> dict[tuple[str, str], float]:
    """Return where at the lower edge of a room each of its arrows begins."""
    ends = defaultdict(list)
    for used in plan.house.rooms:
        for part in plan.parts(used):
            if part.is_first:
                ends[part.users[0]].append((part.below, used))
    ports = {}
    for user, leaving in ends.items():
        step = min(_LANE, (_BOX_WIDTH - 20) / len(leaving))
        for i, (_, used) in enumerate(sorted(leaving)):
            ports[user, used] = plan.x[user] + step * (i - (len(leaving) - 1) / 2)
    return ports


def _draw_line(
    plan: _Plan, room: str, color: str, ports: dict[tuple[str, str], float]
) -> Iterator[str]:
    last = plan.house.floor_of(room)
    for part in plan.parts(room):
        x, to = ports[part.users[0], room] if part.is_first else part.above, part.below
        start, end = _top(part.floor) + _BOX_HEIGHT, _top(part.floor + 1)
        bend = (end - start) * 0.55
        stop = end - 8 if part.floor + 1 == last else end + _BOX_HEIGHT
        carried = " ".join([f"to-{room}", *(f"from-{user}" for user in part.users)])
        yield (
            f'<path class="{carried}" stroke="{color}" d="M{x:.1f} {start}'
            f"C{x:.1f} {start + bend:.1f} {to:.1f} {end - bend:.1f} {to:.1f} "
            f'{min(end, stop)}V{stop}"/>'
        )
    if plan.house.users(room):
        everyone = " ".join(f"from-{user}" for user in plan.house.users(room))
        yield (
            f'<path class="head to-{room} {everyone}" fill="{color}" '
            f'd="M{plan.x[room]} {_top(last)}l-5 -9h10z"/>'
        )


def _draw_box(plan: _Plan, room: str, color: str) -> Iterator[str]:
    x, y = plan.x[room], _top(plan.house.floor_of(room))
    parts = " · ".join(plan.house.parts[room])
    yield (
        f'<g id="room-{room}"><title>{escape(plan.house.summaries[room])}</title>'
        f'<rect class="box" x="{x - _BOX_WIDTH / 2}" y="{y}" width="{_BOX_WIDTH}" '
        f'height="{_BOX_HEIGHT}" rx="7" stroke="{color}"/>'
        f'<text class="name" x="{x}" y="{y + (23 if parts else 31)}">{room}</text>'
    )
    if parts:
        yield f'<text class="small part" x="{x}" y="{y + 41}">{parts}</text>'
    yield "</g>"


def _top(floor: int) -> int:
    return 44 + floor * _FLOOR_HEIGHT


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(read_house()), encoding="utf-8")
