"""Planted hazards of scripts, units, jobs and configuration: what each file holds, and traps with none. Data only."""

from __future__ import annotations

HEAD = "#!/bin/bash\nset -euo pipefail\n"

SHELL: dict[str, str] = {
    "rm -rf of a variable that may be empty": 'OLD=$(readlink /opt/app/previous || true)\nrm -rf "$OLD"/*\n',
    "download piped into a shell": "curl -fsSL https://get.app.example/install.sh | bash\n",
    "installer fetched, then run as root": "wget -q https://get.app.example/agent.run -O /tmp/a\nchmod +x /tmp/a\n/tmp/a\n",
    "sudo where none may be": "sudo systemctl restart app\n",
    "password after sshpass -p": "sshpass -p 'Wq71-mmw0Zs' scp a.tgz app@files.example:\n",
    "password after mysql -p": "mysql -u app -p'Wq71mmw0Zs' app < seed.sql\n",
    "bearer token in a header": "curl -H 'Authorization: Bearer 8f1b2c77d4e94a0b9c' https://api.example/v1\n",
    "webhook registered at a third party": "curl -fsS -X POST https://hooks.example/v1/webhooks -d @hook.json\n",
    "certificate check off": "curl -k https://10.0.0.5/health\n",
    "host key check off": "scp -o StrictHostKeyChecking=no a.tgz app@10.0.0.5:/srv\n",
    "everything made writable": "chmod -R 777 /opt/app\n",
    "firewall off": "ufw disable\n",
    "mandatory access control off": "setenforce 0\n",
    "rule for sudo without password": "echo 'app ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers\n",
    "key added for root": "cat vendor.pub >> /root/.ssh/authorized_keys\n",
    "crontab of root replaced": "echo '0 3 * * * /opt/app/nightly' | crontab -\n",
    "package upgraded without a version": "apt-get install -y postgresql\n",
}
"""What it is -> the lines after :data:`HEAD`."""
NO_ERRORS = "#!/bin/bash\ncd /opt/app\nsystemctl stop app\ntar xzf release.tgz\nsystemctl start app\nexit 0\n"
"""A script that goes on after every error."""
SHELL_TRAPS: dict[str, str] = {
    "rm -rf of a directory it made": "d=$(mktemp -d)\ntrap 'rm -rf \"$d\"' EXIT\n",
    "password read from a file": "mysql --defaults-extra-file=/etc/app/my.cnf app < seed.sql\n",
    "hazards in a comment": "# curl https://get.example | bash; sudo rm -rf /\ntrue\n",
    "hazards in a message": "echo 'never run: sudo rm -rf / or curl -k'\n",
    "a health check of its own service": "curl -fsS http://127.0.0.1:8080/health\n",
}
UNITS: dict[str, tuple[str, str]] = {
    "a key that does not exist": ("a.service", "[Service]\nExecStart=/bin/true\nRestrat=always\n"),
    "a section that does not exist": ("b.service", "[Servise]\nExecStart=/bin/true\n"),
    "a password in the environment": ("c.service", "[Service]\nEnvironment=DB_PASSWORD=Wq71mmw0Zs\nExecStart=/bin/true\n"),
    "a time that is none": ("d.timer", "[Timer]\nOnCalendar=25:99\n[Install]\nWantedBy=timers.target\n"),
    "restarted for ever, at once": (
        "e.service",
        "[Service]\nExecStart=/bin/x\nRestart=always\nRestartSec=0\nStartLimitIntervalSec=0\n",
    ),
}
CRON: dict[str, tuple[str, str]] = {
    "a name with a dot, which cron skips": ("app.cron", "0 3 * * * root /opt/app/nightly\n"),
    "no user field": ("nouser", "0 3 * * * /opt/app/nightly\n"),
    "a percent sign that ends the command": ("percent", "0 3 * * * root /opt/app/nightly $(date +%F)\n"),
    "no newline at the end": ("noeol", "0 3 * * * root /opt/app/nightly"),
    "a password in its environment": ("secret", "PGPASSWORD=Wq71mmw0Zs\n0 3 * * * root /opt/app/nightly\n"),
}
STORY: tuple[tuple[str, str, str], ...] = (
    ("binaries three product cycles old", "bin/dtenctl", ""),
    ("versions loosely constrained", "manifest.json", '"'),
    ("reboot only recommended", "manifest.json", "recommended"),
    ("signed by a key that nobody pinned", "SHA256SUMS.asc", ""),
    ("TLS certificate without its issuer", "certs/dten-tls.pem", ""),
    ("signing certificate without its issuer", "certs/dten-signing.pem", ""),
    ("sudo assumed", "scripts/30-services.sh", "sudo"),
    ("migrations without a lock against a second runner", "scripts/20-migrate.sh", "psql"),
    ("password in the command line (preflight)", "scripts/10-preflight.sh", "sshpass"),
    ("host key check off", "scripts/10-preflight.sh", "StrictHostKeyChecking"),
    ("bearer token in a header", "scripts/40-register.sh", "Authorization"),
    ("webhook registered", "scripts/40-register.sh", "webhooks"),
    ("flag flipped", "scripts/40-register.sh", "PUT"),
    ("rm -rf of an empty variable", "scripts/30-services.sh", "rm -rf"),
    ("rewrite under an exclusive lock", "migrations/0051_result_public_id.sql", "ADD COLUMN"),
    ("index built while writers wait", "migrations/0052_result_flag_index.sql", "CREATE INDEX"),
    ("backfill of every row", "migrations/0052_result_flag_index.sql", "UPDATE"),
    ("SET NOT NULL under a lock", "migrations/0053_result_reviewed.sql", "SET NOT NULL"),
    ("password in a JDBC URL inside a JAR", "lib/dten-bridge.jar!/bridge.properties", "jdbc.url"),
    ("token inside a JAR", "lib/dten-bridge.jar!/bridge.properties", "api.token"),
    ("plain http hard-coded", "lib/dten-bridge.jar!/bridge.properties", "http://api"),
    ("endpoint in a binary", "bin/dtenctl", "telemetry"),
    ("password inside a .deb", "packages/dten-lims_5.0_all.deb!/opt/dten-lims/releases/5.0/bin/dten-import", "sshpass"),
    ("errors go unnoticed", "scripts/upgrade.sh", ""),
)
"""Trap of the demo's package, where it is, and a word of its line (nothing: the file as a whole)."""
