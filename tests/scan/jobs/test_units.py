"""Units of a package, what scripts are for, what dependencies bring."""

from __future__ import annotations

import pytest

from fulldress.model.estate import Estate, HostFacts, InstalledPackage
from fulldress.scan.dependencies import coming
from fulldress.scan.jobs.units import systemd_version, units
from fulldress.scan.roles import role
from fulldress.scan.rule import Sample
from fulldress.scan.samples import context_of


def estate(**packages: str) -> Estate:
    found = tuple(InstalledPackage(name=name, version=version) for name, version in packages.items())
    return Estate(taken="t", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", packages=found),))


def test_units_and_dropins_but_no_examples() -> None:
    context = context_of(
        {
            "x.deb!/lib/systemd/system/a.service": "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n",
            "x.deb!/etc/systemd/system/b.service.d/o.conf": "[Service]\nNice=5\n",
            "x.deb!/usr/share/doc/x/examples/c.service": "[Service]\nExecStart=/bin/c\n",
            "x/d.service": "<?xml version='1.0'?>\n",
            "x/e.service": "[Service]\nExecStart=@BINDIR@/e\n",
        }
    )
    assert [(u.name, u.dropin, u.folder) for u in units(context)] == [
        ("b.service", True, "etc"),
        ("a.service", False, "lib"),
    ]
    assert units(context)[1].values("Service", "ExecStart") == ["/bin/b"]
    assert units(context)[0].line_of("Service", "Nice") == 2


def test_systemd_version() -> None:
    assert systemd_version(estate(systemd="252.39-1~deb12u2")) == 252
    assert systemd_version(estate(bash="5")) == 0
    assert systemd_version(None) == 0


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("scripts/upgrade.sh", "upgrade"),
        ("x.deb!/postinst", "upgrade"),
        ("x.deb!/DEBIAN/prerm", "upgrade"),
        ("x.deb!/usr/bin/tool", "program"),
        ("usr/lib/x/run.sh", "program"),
        ("x.deb!/etc/init.d/x", "init"),
        ("src/tests/a.sh", "library"),
        ("usr/lib/python3/dist-packages/x/a.sh", "library"),
        ("w.whl!/pkg/a.sh", "library"),
    ],
)
def test_roles(place: str, what: str) -> None:
    context = context_of({"w.whl!/pkg-1.dist-info/RECORD": "", place: "x"})
    assert role(context, place) == what


def test_dependencies_that_are_still_to_come() -> None:
    control = "Package: x\nPre-Depends: libc6 (>= 2.3)\nDepends: jq, mta | mail-x,\n tool:any (>= 1)\n"
    sample = Sample(files={"x.deb!/DEBIAN/control": control}, estate=estate(libc6="2.36", mta="1"))
    assert coming(context_of(sample), "x.deb!/usr/bin/x") == ("jq", "tool")
    assert coming(context_of(sample), "up.sh") == ()
    assert coming(context_of({"x.deb!/DEBIAN/control": control}), "x.deb!/usr/bin/x") == ()
