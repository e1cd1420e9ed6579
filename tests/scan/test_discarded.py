"""What a command throws away that is neither ``rm -r`` nor SQL."""

from __future__ import annotations

import pytest

from fulldress.formats import shell
from fulldress.scan.discarded import discarded


@pytest.mark.parametrize(
    "text",
    [
        "find /srv/app/records -mtime +3650 -delete",
        "find /var/lib/app/spool -name '*.x' -exec rm -f {} +",
        "rsync -a --delete new/ /var/lib/app/files/",
        "rm -f /var/lib/ldap/*.mdb",
        "tar xzf a.tgz -C /",
        "tar --extract --directory=/ -f a.tar",
        "ls -t | xargs rm",
        "dd if=fw.img of=$1",
        "kubectl -n prod delete pvc data-0",
        "kubectl delete pod --all",
        "aws s3 rm s3://a/ --recursive",
        "gcloud storage rm -r gs://a",
        "docker system prune -af",
        "docker-compose down -v",
        "terraform destroy",
        "zfs destroy tank/a",
        "rabbitmqctl purge_queue q",
        "kafka-topics.sh --delete --topic t",
        "curl -X DELETE http://es:9200/records",
        "mongosh --eval 'db.dropDatabase()'",
        "cqlsh -e 'DROP KEYSPACE a'",
        "su app -c 'crontab -r'",
        "userdel -r old",
        "git clean -fdx",
    ],
)
def test_thrown_away(text: str) -> None:
    what, instead = discarded(shell.commands(text)[0])
    assert what and instead


@pytest.mark.parametrize(
    "text",
    [
        "find /var/cache/app -delete",
        "find /srv/app/records -name x",
        "rsync -a --delete a/ build/",
        "rsync -a new/ /var/lib/app/",
        "rm -f /var/lib/app/cache/*",
        "tar czf /srv/a.tgz -C / etc",
        "tar xzf a.tgz -C /opt/app",
        "find . -print0 | xargs -0 rm",
        "dd if=/dev/zero of=/swap",
        "kubectl delete pod web-0",
        "kubectl delete pvc a --dry-run=client",
        "aws s3 ls s3://a/ --recursive",
        "docker ps -a",
        "terraform plan",
        "zfs list",
        "curl -X DELETE http://127.0.0.1:8080/cache",
        "mongosh --eval 'db.stats()'",
        "userdel old",
        "crontab -l",
    ],
)
def test_kept(text: str) -> None:
    assert discarded(shell.commands(text)[0]) == ("", "")
