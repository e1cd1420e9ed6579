#!/bin/bash
# DTEN LIMS 5.0 upgrade. Run as administrator.
cd "$(dirname "$0")/.."

echo "DTEN LIMS upgrade to 5.0"
bash scripts/10-preflight.sh
bash scripts/20-migrate.sh
bash scripts/30-services.sh
bash scripts/40-register.sh
echo "Upgrade finished. A reboot is recommended."
