"""The tables as a picture: a card each, and lines from what is named to where it is. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from matchmaker.store.tables import Column, Table

INK: Final = "#1f2d3a"
QUIET: Final = "#6b7f90"
LINE: Final = "#c8d3dc"
HEAD: Final = "#8fb2c9"
STRIPE: Final = "#f3f6f8"
ACCENT: Final = "#c4553d"

WIDTH, GUTTER = 23.0, 8.0
"""Of a card and between two of them; one unit is the height of a line of text."""

HEAD_LINES, PADDING, SPACE, MARGIN = 1.7, 0.35, 2.2, 3.5
SPOTS: Final[Sequence[Sequence[str]]] = (
    ("realms", "queues", "rule_versions", "checks", "schema"),
    ("matches", "teams", "events", "reports"),
    ("results", "rating_changes", "meetings"),
    ("ratings", "players", "tickets"),
)
"""Cards by column, from the top: neighbours are those who name each other."""


class Link(NamedTuple):
    """A column of a table that names a column of another. ``enforced`` is a foreign key."""

    table: str
    column: str
    to_table: str
    to_column: str
    enforced: bool = False


LINKS: Final = (
    Link("teams", "match", "matches", "match", enforced=True),
    Link("teams", "ticket", "tickets", "ticket"),
    Link("matches", "rules", "rule_versions", "version"),
    Link("queues", "version", "rule_versions", "version"),
    Link("ratings", "player", "players", "player"),
    Link("tickets", "player", "players", "player"),
    Link("tickets", "ended_event", "matches", "match"),
    Link("tickets", "ended_event", "events", "event"),
    Link("rule_versions", "event", "events", "event"),
    Link("results", "match", "matches", "match"),
    Link("reports", "match", "matches", "match"),
    Link("rating_changes", "n", "results", "n"),
    Link("meetings", "last_match", "results", "match"),
    Link("rating_changes", "player", "ratings", "player"),
)


class Card(NamedTuple):
    """A table and where its card's upper left corner is; y grows downwards."""

    table: Table
    column: int
    x: float
    y: float

    @property
    def height(self) -> float:
        return HEAD_LINES + len(self.table.columns) + 2 * PADDING

    def line_at(self, name: str) -> float:
        """The middle of a column's line."""
        names = [column.name for column in self.table.columns]
        return self.y + HEAD_LINES + PADDING + names.index(name) + 0.5


def draw(tables: Sequence[Table], path: Path) -> None:
    """Writes the picture, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cards = _cards({table.name: table for table in tables})
    width = len(SPOTS) * WIDTH + (len(SPOTS) - 1) * GUTTER
    bottom = max(card.y + card.height for card in cards.values())
    figure = Figure(figsize=((width + 2 * MARGIN) / 6.2, (bottom + 9) / 6.2), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-MARGIN, width + MARGIN)
    axes.set_ylim(bottom + 2, -7)
    axes.axis("off")
    axes.text(0, -4.6, "What Postgres keeps", fontsize=17, color=INK, va="center")
    subtitle = "Lines lead from a name to what it names; the red one is a foreign key. Bold: the primary key."
    axes.text(0, -2.3, subtitle, fontsize=10.5, color=QUIET, va="center")
    for link in LINKS:
        _connect(axes, cards[link.table], cards[link.to_table], link)
    for card in cards.values():
        _draw_card(axes, card)
    figure.savefig(path, metadata={"Software": None})


def _cards(tables: Mapping[str, Table]) -> dict[str, Card]:
    """Every table's card; those of a column are spread over the height of the tallest."""
    heights = [sum(Card(tables[name], 0, 0, 0).height for name in names) for names in SPOTS]
    tallest = max(height + (len(names) - 1) * SPACE for height, names in zip(heights, SPOTS, strict=True))
    cards = {}
    for i, names in enumerate(SPOTS):
        space = (tallest - heights[i]) / (len(names) - 1)
        y = 0.0
        for name in names:
            cards[name] = Card(tables[name], i, i * (WIDTH + GUTTER), y)
            y += cards[name].height + space
    return cards


def _draw_card(axes: Axes, card: Card) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    box = FancyBboxPatch(
        (card.x, card.y),
        WIDTH,
        card.height,
        boxstyle="round,pad=0,rounding_size=0.5",
        fc="white",
        ec=QUIET,
        lw=1.0,
        zorder=3,
    )
    axes.add_patch(box)
    head = Rectangle((card.x, card.y), WIDTH, HEAD_LINES, fc=HEAD, ec="none", zorder=3)
    head.set_clip_path(box)
    axes.add_patch(head)
    axes.text(
        card.x + 0.8,
        card.y + HEAD_LINES / 2,
        card.table.name,
        fontsize=11.5,
        weight="bold",
        color=INK,
        va="center",
        zorder=4,
    )
    for number, column in enumerate(card.table.columns):
        y = card.line_at(column.name)
        if number % 2:
            axes.add_patch(Rectangle((card.x + 0.1, y - 0.5), WIDTH - 0.2, 1, fc=STRIPE, ec="none", zorder=3))
        weight = "bold" if column.key else "normal"
        axes.text(card.x + 0.8, y, column.name, fontsize=9, color=INK, va="center", weight=weight, zorder=4)
        axes.text(card.x + WIDTH - 0.8, y, _type(column), fontsize=9, color=QUIET, va="center", ha="right", zorder=4)


def _type(column: Column) -> str:
    short = {"double precision": "double", "timestamp with time zone": "timestamptz"}.get(column.type, column.type)
    return short + (", or null" if column.nullable else "")


def _connect(axes: Axes, source: Card, target: Card, link: Link) -> None:
    """A curve between the facing sides; between two of one column around their outer side."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    start_y, end_y = source.line_at(link.column), target.line_at(link.to_column)
    if source.column == target.column:
        right = source.column == len(SPOTS) - 1
        start_x = end_x = source.x + (WIDTH if right else 0)
        bend = 3.6 if right else -3.6
        middle = [(start_x + bend, start_y), (end_x + bend, end_y)]
    else:
        right = target.column > source.column
        start_x, end_x = source.x + (WIDTH if right else 0), target.x + (0 if right else WIDTH)
        bend = (end_x - start_x) * 0.55
        middle = [(start_x + bend, start_y), (end_x - bend, end_y)]
    colour = ACCENT if link.enforced else QUIET
    curve = Curve([(start_x, start_y), *middle, (end_x, end_y)], [Curve.MOVETO, *[Curve.CURVE4] * 3])
    arrow = FancyArrowPatch(
        path=curve, arrowstyle="-|>,head_width=3,head_length=6", color=colour, lw=1.3, zorder=5, shrinkA=0, shrinkB=0
    )
    axes.add_patch(arrow)
    axes.plot([start_x], [start_y], "o", color=colour, ms=4, zorder=5)
