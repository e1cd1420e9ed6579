"""The chart of ranges: well-formed, to scale, labels from outside escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from fulldress.report.spread import LABELS, RIGHT, WIDTH, Range, spread_chart

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg: str) -> list[ET.Element]:
    root = ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    return list(root.iter(f"{SVG}rect"))


def test_ranges_are_drawn_to_one_scale() -> None:
    first, second = bars(spread_chart("t", [Range("a", 0, 5, 10), Range("b", 5, 6, 10)], unit="s"))
    assert float(first.attrib["width"]) == WIDTH - LABELS - RIGHT
    assert float(second.attrib["width"]) == float(first.attrib["width"]) / 2


def test_what_fell_is_drawn_left_of_zero() -> None:
    svg = spread_chart("t", [Range("a", -10, -8, -5), Range("b", 2, 4, 10)], unit="%")
    fell, rose = bars(svg)
    assert float(fell.attrib["x"]) + float(fell.attrib["width"]) <= float(rose.attrib["x"])


def test_equal_numbers_and_no_rows_are_drawn_without_harm() -> None:
    assert bars(spread_chart("t", [Range("a", 0, 0, 0)], unit="s"))
    assert bars(spread_chart("t", [], unit="s")) == []


def test_labels_from_outside_are_escaped() -> None:
    svg = spread_chart("<b>", [Range("</text><script>", 1, 2, 3, kind='"x')], unit="s")
    assert "<script>" not in svg
    assert bars(svg)
