"""The day as pictures: memory of each process, rows of each table. SVG, by pygal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pygal
from pygal.style import Style

from tests.day.vitals import Vitals

Line = Sequence[tuple[float, float]]
LEAST_ROWS = 50  # a table with fewer is no line in the picture
STEP_S = 10
LABEL_EVERY = 30  # steps
COLORS = "1f77b4 ff7f0e 2ca02c d62728 9467bd 8c564b e377c2 17becf 7f7f7f bcbd22"
STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    guide_stroke_color="#dddddd",
    guide_stroke_dasharray="1",
    major_guide_stroke_color="#dddddd",
    major_guide_stroke_dasharray="1",
    stroke_width="2",
    colors=tuple(f"#{color}" for color in COLORS.split()),
)


def draw(vitals: Vitals, directory: Path) -> list[Path]:
    """memory.svg and rows.svg in `directory`; their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    growing = {name: line for name, line in vitals.rows.items() if max(v for _, v in line) >= LEAST_ROWS}
    return [
        _picture("Memory of each process, MiB", vitals.memory, directory / "memory.svg", is_logarithmic=False),
        _picture("Rows of each table, logarithmic", growing, directory / "rows.svg", is_logarithmic=True),
    ]


def _picture(title: str, lines: Mapping[str, Line], path: Path, *, is_logarithmic: bool) -> Path:
    steps = 1 + max(int(line[-1][0]) for line in lines.values()) // STEP_S
    chart = pygal.Line(
        title=title,
        x_title="minutes",
        x_labels=range(steps),
        x_value_formatter=lambda step: f"{step * STEP_S / 60:.1f}",  # a label that is not unique is drawn too often
        x_labels_major_every=LABEL_EVERY,
        show_minor_x_labels=False,
        truncate_label=-1,
        style=STYLE,
        show_dots=False,
        logarithmic=is_logarithmic,
        js=(),
        width=960,
        height=480,
    )
    for name, line in sorted(lines.items(), key=lambda entry: -entry[1][-1][1]):
        at = {int(second) // STEP_S: value for second, value in line if value or not is_logarithmic}
        chart.add(name, [at.get(step) for step in range(steps)])
    path.write_bytes(chart.render())
    return path
