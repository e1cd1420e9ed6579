#!/bin/bash
# Removes what bootstrap.sh, the demo and the tests made: machines, mounts, the state directory, .venv, caches.
# Debian packages stay; says which ones, and how to remove them.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then
    .venv/bin/python tools/clean.py
else
    echo "no .venv here, so the state directory was not looked at (make lint makes one)"
fi
rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo/build demo/release build dist
find src tests demo bench -name __pycache__ -prune -exec rm -rf {} +
echo "removed .venv, caches, demo/build and demo/release"
if [ -s .installed-packages ]; then
    echo "these Debian packages were installed for this project and stay; to remove them:"
    echo "  apt-get purge --autoremove $(sort -u .installed-packages | tr '\n' ' ')&& rm .installed-packages"
fi
