"""What counts as a script, and what may be edited."""

from __future__ import annotations

import gzip

from fulldress.scan.reading import current_text, scripts, take_over
from fulldress.scan.roles import role
from fulldress.scan.rule import Sample
from fulldress.scan.samples import context_of


def test_a_sourced_file_of_functions_is_a_script() -> None:
    files = {
        "a/up.sh": '#!/bin/sh\n. "$here/lib/functions"\n',
        "a/lib/functions": "end() {\n  true\n}\n",
        "b/lib/functions": "x",
    }
    assert [s.entry.place for s in scripts(context_of(Sample(files=files)))] == ["a/up.sh", "a/lib/functions"]


def test_what_the_upgrade_sources_is_part_of_it() -> None:
    files = {"a/up.sh": "#!/bin/sh\n. ./lib/db.sh\n", "a/lib/db.sh": "true\n", "a/lib/other.sh": "true\n"}
    context = context_of(Sample(files=files))
    assert role(context, "a/lib/db.sh") == "upgrade"
    assert role(context, "a/lib/other.sh") == "program"


def test_a_script_with_an_archive_behind_it_is_never_edited() -> None:
    head = b"#!/bin/sh\nrm -rf $OLD/usr\n" + b"# line\n" * 3000
    context = context_of(Sample(files={"a.run": head + gzip.compress(bytes(range(256)) * 9)}))
    assert scripts(context) == []
    assert current_text(context, "a.run") is None


def test_what_was_parsed_of_a_content_is_taken_over_for_the_next_state_of_a_package() -> None:
    files = {"bin/run.sh": "#!/bin/sh\necho a\n"}
    before, after = context_of(files), context_of({**files, "bin/more.sh": "#!/bin/sh\necho b\n"})
    earlier = scripts(before)[0]
    take_over(after, before)
    assert [s.entry.place for s in scripts(after)] == ["bin/more.sh", "bin/run.sh"]
    assert scripts(after)[1].commands is earlier.commands
