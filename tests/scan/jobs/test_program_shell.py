"""What programs of the upgrade hand to a shell."""

from __future__ import annotations

import pytest

from fulldress.scan.jobs.program_shell import calls, tcl


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exec tar -C / -xJf $::base/x.tar", "tar -C / -xJf ${base}/x.tar"),
        ("catch {exec chmod -R 777 $dir}", "chmod -R 777 ${dir}"),
        ("set x [exec -ignorestderr date -s $t]", "date -s ${t}"),
        ("file delete -force $::prefix/$dir", "rm -rf ${prefix}/${dir}"),
        ("file copy -force a.conf /etc/a.conf", "cp -f a.conf /etc/a.conf"),
        ("file attributes $f -permissions 04755", "chmod 04755 ${f}"),
        ('sh "killall -9 perl"', "killall -9 perl"),
        ('send "rm -rf /var/keys/*\\r"', "rm -rf /var/keys/*"),
        ('send "secret\\r"', ""),
        ("# exec rm -rf /", ""),
        ("set executable 1", ""),
    ],
)
def test_tcl(line: str, said: str) -> None:
    assert next(tcl([line])).strip() == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('os.system("setenforce 0")', "setenforce 0"),
        ('subprocess.run(["useradd", "-o", "-u", "0", name])', "useradd -o -u 0 ${name}"),
        ('subprocess.call("chmod -R a+w " + target, shell=True)', "chmod -R a+w ${target}"),
        ('system("tar xf $base/a.tar -C /");', "tar xf $base/a.tar -C /"),
        ('os.system(f"chown -R {user} /srv")', "chown -R ${user} /srv"),
        ("open(my $p, '|-', \"ssh root\\@h 'sh'\");", "ssh root@h 'sh'"),
        ("# os.system('x y')", ""),
        ('print("setenforce 0")', ""),
    ],
)
def test_calls(line: str, said: str) -> None:
    assert next(calls([line])) == said
