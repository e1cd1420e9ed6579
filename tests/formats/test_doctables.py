"""Tables of documents in every form that vendors write, each with the headings above it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.doctables import tables

EXPECTED = (("Setting", "Notes"), ("a.b", "gone"), ("c.d", "two words"))
MARKDOWN = """\
# Doc
## Removed in 5.0
```
| no | table |
|---|---|
| x | y |
```
Setting|Notes
:--|--:
a.b|gone
c.d|two<br>words
"""
UNDERLINED = """\
Doc
===

Removed in 5.0
--------------

| Setting | Notes |
|---|---|
| a.b | gone |
| c.d | two words |
"""
LIST = """\
Doc
===

Other
-----

Removed in 5.0
--------------

.. list-table::
   :header-rows: 1
   :widths: 10
      20

   * - Setting
     - Notes
   * - a.b
     - gone
   * - c.d
     - two
       words

text
"""
CSV_TABLE = """\
Doc
===
Removed in 5.0
--------------

.. csv-table::
   :header: "Setting", "Notes"
   :widths: 15, 10

   "a.b", "gone"
   "c.d", "two words"
"""
GRID = """\
Doc
===
Removed in 5.0
--------------

+---------+---------+
| Setting | Notes   |
+=========+=========+
| a.b     | gone    |
+---------+---------+
| c.d     | two     |
|         | words   |
+---------+---------+
"""
SIMPLE = """\
Doc
===
Removed in 5.0
--------------

========  =====
Setting   Notes
========  =====
a.b       gone
c.d       two
          words
========  =====

after it
"""
ASCIIDOC = """\
= Doc

== Removed in 5.0

[cols="1,2", options="header"]
|===
|Setting |Notes

|a.b
|gone

|c.d
|two
words
|===
"""
HTML = """<h1>Doc</h1><h2 id=a>Removed in <em>5.0</em></h2>
<table><thead><tr><th>Setting</th><th>Notes</th></tr></thead>
<tr><th scope=row><code>a.b</code></th><td>gone</td></tr><tr><td>c.d</td><td>two<br>words</td></tr></table>"""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.md", MARKDOWN),
        ("a.txt", UNDERLINED),
        ("a.rst", LIST),
        ("a.rst", CSV_TABLE),
        ("a.rst", GRID),
        ("a.rst", SIMPLE),
        ("a.adoc", ASCIIDOC),
        ("a.html", HTML),
    ],
)
def test_one_table_in_every_form(file: str, text: str) -> None:
    (table,) = tables(text, file=file)
    assert (table.header, *table.rows) == EXPECTED
    assert table.heading == "Doc\nRemoved in 5.0"


def test_a_table_has_its_own_title_last() -> None:
    assert tables("= Doc\n.Changed\n|===\n|a |b\n|c |d\n|===\n", file="a.adoc")[0].heading == "Doc\nChanged"
    text = "<h1>Doc</h1><table><caption>Changed</caption><tr><td>a<tr><td>b</table>"
    assert tables(text, file="a.html")[0].heading == "Doc\nChanged"
    assert tables("Doc\n===\n\n.. table:: Changed\n\n   == ==\n   a  b\n   == ==\n   c  d\n   == ==\n", file="a.rst")[
        0
    ].heading == ("Doc\nChanged")


def test_a_heading_closes_those_of_its_level() -> None:
    text = "# A\n## B\n### C\n## D\n|a|b|\n|-|-|\n|c|d|\n# E\n|a|b|\n|-|-|\n|c|d|\n"
    assert [table.heading for table in tables(text, file="a.md")] == ["A\nD", "E"]


def test_cells_that_span_stand_in_each_place() -> None:
    text = "<table><tr><th>k<th>a<th>b</tr><tr><td>x<td colspan=2>1</tr>"
    text += "<tr><td rowspan=2>y<td>2<td>3</tr><tr><td>4<td>5</tr></table>"
    assert tables(text, file="a.html")[0].rows == (("x", "1", "1"), ("y", "2", "3"), ("y", "4", "5"))


def test_absurd_spans_are_bounded() -> None:
    (table,) = tables('<table><tr><td>a<tr><td colspan="999999999" rowspan="x">b</table>', file="a.html")
    assert len(table.rows[0]) == 20


def test_asciidoc_columns_by_number_and_by_the_first_line() -> None:
    text = "[cols=3*]\n|===\n|a\n|b\n|c\n|1 |2\n|3\n|===\n\n|===\n|a |b\n\n|1 \\| 2\n|3\n|===\n"
    first, second = tables(text, file="a.adoc")
    assert (first.header, first.rows) == (("a", "b", "c"), (("1", "2", "3"),))
    assert (second.header, second.rows) == (("a", "b"), (("1 | 2", "3"),))


@pytest.mark.parametrize("file", ["a.md", "a.html", "a.csv", "a.rst", "a.adoc"])
@given(text=st.text('|-=+`<table>rdhcols[],"*: \n.5', max_size=150))
def test_any_text_is_read_without_an_error(file: str, text: str) -> None:
    assert isinstance(tables(text, file=file), list)


def test_a_grid_whose_cells_span_rows_gives_what_it_can() -> None:
    text = "+----+-----+\n| a  | b   |\n+====+=====+\n| 1  | x   |\n|    +-----+\n|    | y   |\n+----+-----+\n"
    assert tables(text, file="a.rst")[0].rows == (("1", "x y"),)
