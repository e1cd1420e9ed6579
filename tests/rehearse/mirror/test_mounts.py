"""Which file systems belong to a mirror, decided from what the kernel says."""

from __future__ import annotations

from fulldress.rehearse.mirror.mounts import Mount, judged, parse
from fulldress.rehearse.mirror.nouns import NEVER

INFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /dev rw - devtmpfs udev rw
24 22 0:21 / /proc rw - proc proc rw
25 22 8:2 / /srv/data rw,relatime shared:7 - xfs /dev/sdb1 rw
26 25 8:3 / /srv/data/deep\040er rw - ext4 /dev/sdc1 rw
27 22 0:40 / /mnt/share rw - nfs4 filer:/export rw
28 22 0:41 / /var/cache/fast rw - tmpfs tmpfs rw
29 22 0:42 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
30 22 0:43 / /run/user/0 rw - tmpfs tmpfs rw
31 27 8:4 / /mnt/share/local rw - ext4 /dev/sdd1 rw
32 22 8:5 / /tmp/stick rw - vfat /dev/sde1 rw
33 22 0:44 / /home/me/remote rw - fuse.sshfs me@elsewhere:/ rw
34 22 0:45 / /srv/data rw - nfs hidden:/by rw
35 22 8:2 / /srv/data rw,relatime - xfs /dev/sdb1 rw
"""


def test_blanks_in_names_are_read_and_a_later_mount_hides_an_earlier_one() -> None:
    found = {mount.place: mount for mount in parse(INFO)}
    assert found["/srv/data/deep er"] == Mount("/srv/data/deep er", "ext4", "/dev/sdc1")
    assert found["/srv/data"].kind == "xfs" and len(found) == 12


def test_the_hosts_own_disks_are_copied_parents_first() -> None:
    found = judged(parse(INFO), include=(), never=NEVER, exclude=())
    assert found.copied == ("/srv/data", "/srv/data/deep er")


def test_what_is_left_out_is_named_with_its_reason() -> None:
    left = judged(parse(INFO), include=(), never=NEVER, exclude=()).left_out
    assert sorted(left) == ["/home/me/remote", "/mnt/share", "/var/cache/fast", "/var/lib/docker/overlay2/x/merged"]
    assert left["/mnt/share"] == "nfs4 from filer:/export, not of this host: declare it in [mirror] include to copy it"
    assert left["/var/cache/fast"] == "tmpfs, in memory: empty after a boot"


def test_a_declared_share_is_copied_with_what_is_mounted_in_it() -> None:
    found = judged(parse(INFO), include=("/mnt/share",), never=NEVER, exclude=())
    assert found.copied == ("/mnt/share", "/mnt/share/local", "/srv/data", "/srv/data/deep er")


def test_a_disk_that_is_excluded_takes_those_in_it_along() -> None:
    found = judged(parse(INFO), include=(), never=NEVER, exclude=("/srv/data",))
    assert found.copied == ()
    assert found.left_out["/srv/data/deep er"] == "excluded by [mirror] exclude"
