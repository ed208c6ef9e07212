"""Bars as geometry: counts in, rectangles out. The page draws them as inline SVG with classes, so that no style is inline.

A chart never stands alone: its numbers are in a table or list beside it, and its summary says them in a sentence.
"""

from collections.abc import Mapping, Sequence

from dashboards.views import Chart, Slice

HEIGHT = 100.0

_GAP = 0.2
"""Part of a bar's place that stays empty."""

_LEAST = 1.5
"""Units of height of the smallest part that is not zero: one delivery in the clear must be seen beside a thousand that were not."""


def stacked_bars(
    bars: Sequence[tuple[str, Mapping[str, int]]], styles: Sequence[str], *, title: str, summary: str, share: bool = False
) -> Chart:
    """One bar per (label, counts by style), parts stacked in the order of `styles` from the bottom up.

    With `share` every bar fills the height; else they are scaled to the largest.
    """
    totals = [sum(counts.values()) for _, counts in bars]
    largest = max(totals, default=0)
    slices: list[Slice] = []
    for place, ((label, counts), total) in enumerate(zip(bars, totals, strict=True)):
        scale = total if share else largest
        heights = _heights([counts.get(style, 0) for style in styles], scale)
        top = HEIGHT
        for style, height in zip(styles, heights, strict=True):
            if height:
                top -= height
                slices.append(
                    Slice(
                        style=style,
                        x=round(place + _GAP / 2, 3),
                        y=round(top, 3),
                        width=1 - _GAP,
                        height=round(height, 3),
                        label=f"{label}: {counts[style]:,} {style}",
                    )
                )
    return Chart(
        title=title, summary=summary, width=max(len(bars), 1), height=HEIGHT, slices=slices, marks=[label for label, _ in bars]
    )


def histogram(bars: Sequence[tuple[str, int, str]], *, title: str, summary: str) -> Chart:
    """One bar per (label, count, link), scaled to the largest."""
    largest = max((count for _, count, _ in bars), default=0)
    slices = [
        Slice(
            style="count",
            x=round(place + _GAP / 2, 3),
            y=round(HEIGHT - height, 3),
            width=1 - _GAP,
            height=round(height, 3),
            label=f"{label}: {count:,}",
            href=href,
        )
        for place, (label, count, href) in enumerate(bars)
        for height in _heights([count], largest)
        if count
    ]
    return Chart(title=title, summary=summary, width=max(len(bars), 1), height=HEIGHT, slices=slices)


def _heights(counts: Sequence[int], scale: int) -> list[float]:
    """Heights in proportion, none that is not zero below _LEAST, and no more than HEIGHT together."""
    if not scale:
        return [0.0] * len(counts)
    heights = [max(_LEAST, count / scale * HEIGHT) if count else 0.0 for count in counts]
    excess = sum(heights) - HEIGHT
    if excess > 0:
        tallest = heights.index(max(heights))
        heights[tallest] -= excess
    return heights
