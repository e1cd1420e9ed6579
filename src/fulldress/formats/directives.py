"""Whether systemd knows a directive in a section, since when, and what stands in its place now. Pure.

The table itself is generated (``systemd_directives``); what was renamed or is going away is kept here, after systemd's NEWS.
"""

from __future__ import annotations

from functools import cache

from fulldress.formats import systemd_directives as table

RENAMED = {
    "BindTo": "BindsTo",
    "PropagateReloadTo": "PropagatesReloadTo",
    "PropagateReloadFrom": "ReloadPropagatedFrom",
    "RequiresOverridable": "Requires",
    "RequisiteOverridable": "Requisite",
    "ReadWriteDirectories": "ReadWritePaths",
    "ReadOnlyDirectories": "ReadOnlyPaths",
    "InaccessibleDirectories": "InaccessiblePaths",
    "MemoryLimit": "MemoryMax",
    "OnFailureIsolate": "OnFailureJobMode",
}
"""Directive -> its present name."""
SAME_VALUE = frozenset(RENAMED) - {"OnFailureIsolate"}
"""Those whose value stays as it is."""
GOING = {
    "CPUShares": "CPUWeight",
    "StartupCPUShares": "StartupCPUWeight",
    "BlockIOWeight": "IOWeight",
    "StartupBlockIOWeight": "StartupIOWeight",
    "BlockIODeviceWeight": "IODeviceWeight",
    "BlockIOReadBandwidth": "IOReadBandwidthMax",
    "BlockIOWriteBandwidth": "IOWriteBandwidthMax",
    "BlockIOAccounting": "IOAccounting",
    "PermissionsStartOnly": "the prefix + before single commands",
    "SysVStartPriority": "After= and Before=",
    "Capabilities": "AmbientCapabilities",
}
"""Directive that is ignored by newer releases or will be -> what to use."""
OLD_VALUES = {
    ("StandardOutput", "syslog"): "journal",
    ("StandardError", "syslog"): "journal",
    ("StandardOutput", "syslog+console"): "journal+console",
    ("StandardError", "syslog+console"): "journal+console",
}
"""(directive, value) -> what to write instead."""
_GROUPS = {
    "Service": (table.SERVICE, table.EXECUTION, table.RESOURCES),
    "Socket": (table.SOCKET, table.EXECUTION, table.RESOURCES),
    "Mount": (table.MOUNT, table.EXECUTION, table.RESOURCES),
    "Swap": (table.SWAP, table.EXECUTION, table.RESOURCES),
    "Slice": (table.SLICE, table.RESOURCES),
    "Scope": (table.SCOPE, table.RESOURCES),
    "Unit": (table.UNIT,),
    "Install": (table.INSTALL,),
    "Automount": (table.AUTOMOUNT,),
    "Timer": (table.TIMER,),
    "Path": (table.PATH,),
}


@cache
def known(section: str) -> dict[str, int]:
    """Directive -> the version that brought it (0: old), for one section; empty for a section that systemd does not know."""
    words = " ".join(_GROUPS.get(section, ())).split()
    return {name: int(since or 0) for name, _, since in (word.partition(":") for word in words)}
