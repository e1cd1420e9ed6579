#!/bin/bash
# Checks before the upgrade.
sudo -u dten /opt/dten-lims/current/bin/dten-version
df -h /opt /var/lib/postgresql
curl -fsS -m 10 http://api.instrument-cloud.example/v2/reference/ph -o /dev/null
echo "ls drop" | sshpass -p 'Sommer2023!' sftp -o StrictHostKeyChecking=no -o ConnectTimeout=3 import@sftp.old-labs.example
sudo openssl verify certs/dten-tls.pem
echo "preflight ok"
