"""The picture: bars by hand, as SVG that reads on a light page and on a dark one."""

from __future__ import annotations

from html import escape

from bench.contenders import CONTENDERS
from bench.report import Report
from bench.thresholds import Medians

WIDTH = 760
LEFT, RIGHT = 220, 90
BAR, GAP, GROUP_GAP, TOP = 16, 3, 16, 64
COLOURS = {"herald": "#2f81f7", "stock": "#8b949e", "nestjs": "#e5534b"}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .value { font-size: 12px } .head { font-weight: 600 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
"""


def draw(report: Report) -> str:
    """Return the fan-out of every contender, by size, silent and with a line a recipient."""
    groups = [
        (f"fanout.{mode}.{size}", f"{size:,} sockets, {what}{report.mark(f'fanout.{mode}.{size}')}")
        for mode, what in (("silent", "silent"), ("logged", "logged"))
        for size in report.plan.all_sizes
    ]
    medians = {c.name: report.medians[c.name] for c in CONTENDERS if c.name in report.medians}
    groups = [group for group in groups if any(group[0] in of for of in medians.values())]
    most = max((of.get(figure, 0) for figure, _ in groups for of in medians.values()), default=1)
    parts, y = [_legend(medians)], TOP
    for figure, title in groups:
        bars, height = _group(medians, figure, title, y, most or 1)
        parts.append(bars)
        y += height + GROUP_GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" '
        f'aria-label="Deliveries per second to Socket.IO clients">\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend(medians: Medians) -> str:
    parts = ['<text class="head" x="8" y="22">Deliveries per second (longer is better)</text>']
    x = 8
    for contender in CONTENDERS:
        if contender.name in medians:
            colour = COLOURS[contender.name]
            parts.append(f'<rect x="{x}" y="36" width="12" height="12" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{x + 18}" y="47">{escape(contender.title)}</text>')
            x += 140
    return "\n".join(parts)


def _group(medians: Medians, figure: str, title: str, y: int, most: float) -> tuple[str, int]:
    present = [c for c in CONTENDERS if figure in medians.get(c.name, {})]
    height = len(present) * (BAR + GAP) - GAP
    parts = [f'<text x="{LEFT - 12}" y="{y + height / 2 + 5:.0f}" text-anchor="end">{title}</text>']
    for contender in present:
        value = medians[contender.name][figure]
        length = value / most * (WIDTH - LEFT - RIGHT)
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
            f'fill="{COLOURS[contender.name]}"/>'
            f'<text class="value" x="{LEFT + length + 6:.1f}" y="{y + 12}">{value:,.0f}</text>'
        )
        y += BAR + GAP
    return "\n".join(parts), height
