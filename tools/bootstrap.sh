#!/bin/bash
# Installs what `make` needs, after saying what and where; does nothing, quickly, when all of it is there.
#   tools/bootstrap.sh venv      the virtual environment only (lint)
#   tools/bootstrap.sh machines  Debian packages and the base image of the machines as well (demo, bench)
#   tools/bootstrap.sh tests     and the programs that tests hold us against (jarsigner, rpmbuild, cpio)
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-machines}
packages="postgresql patch systemd-container mmdebstrap debian-archive-keyring nftables iproute2 xfsprogs btrfs-progs rsync binutils openssh-client openssh-server util-linux procps ca-certificates"
truths="cpio rpm file default-jdk-headless"
state=${FULLDRESS_STATE:-/var/lib/fulldress}
record=.installed-packages

say() { printf '%s\n' "$*" >&2; }
root() { [ "$(id -u)" = 0 ]; }

# --- what is missing?
find_python() { # a Python 3.11 to 3.13; the distribution's own comes first: it is built with profiles, a quarter faster, and mended
    local p
    for p in /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13 python3.11 python3.12 python3.13 python3; do
        command -v "$p" > /dev/null || continue
        "$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null || continue
        [ "${1:-}" != complete ] || "$p" -c 'import ensurepip, venv' 2> /dev/null || continue
        command -v "$p"
        return 0
    done
    return 1
}
lack() { # the packages among "$@" that are not installed
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null)" = installed ] || printf '%s ' "$p"
    done
}
stamp() { cat requirements.lock pyproject.toml | sha256sum | cut -d ' ' -f 1; }

debian=no
command -v dpkg-query > /dev/null && command -v apt-get > /dev/null && debian=yes
missing=
[ $want = tests ] && packages="$packages $truths" && want=machines
[ $want = machines ] && [ $debian = yes ] && missing=$(lack $packages)
wanted=$(stamp)
have=$(cat .venv/stamp 2> /dev/null || true)
if [ "$wanted" != "$have" ]; then
    python=$(find_python complete || find_python || true)
    if [ $debian = yes ]; then
        [ -n "$python" ] || missing="${missing}python3 "
        if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then missing="${missing}python3-venv "; fi
    fi
fi
image=yes
if [ $want = machines ] && root; then
    digest=$(cat .venv/image-digest 2> /dev/null || true)
    if [ -e "$state/scratch.img" ] && ! mountpoint -q "$state/scratch"; then # this machine was restarted
        mount -o loop,discard,noatime "$state/scratch.img" "$state/scratch" || true
    fi
    # the image is looked for by the program itself; the stamp only saves starting it
    if [ "$wanted" != "$have" ] || [ -z "$digest" ] || [ ! -d "$state/scratch/images/$digest/root" ]; then image=no; fi
fi
if [ -z "$missing" ] && [ "$wanted" = "$have" ] && [ $image = yes ]; then exit 0; fi

# --- say it
say "Installing what is missing (\`make clean\` takes it away):"
if [ -n "$missing" ]; then say "  Debian packages, on this machine:  $missing(no service is started)"; fi
if [ "$wanted" != "$have" ]; then say "  Python packages, in $PWD/.venv:  $(grep -c '==' requirements.lock) packages by hash from requirements.lock"; fi
if [ $image = no ]; then say "  the machines' base image, in $state/scratch:  Debian bookworm with systemd and PostgreSQL, about 0.5 GB"; fi

# --- Debian packages
if [ -n "$missing" ]; then
    if ! root; then
        say "not root, so these are left out; tests that need them stand aside:  $missing"
    else
        guard=/usr/sbin/policy-rc.d
        if [ ! -e $guard ]; then
            trap 'rm -f /usr/sbin/policy-rc.d' EXIT
            printf '#!/bin/sh\nexit 101\n' > $guard
            chmod 755 $guard
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq || say "package lists could not be refreshed; going on with those that are there"
        apt-get install -qq -y --no-install-recommends $missing > /dev/null
        for p in $missing; do printf '%s\n' "$p" >> $record; done
        [ -e $guard ] && grep -q 'exit 101' $guard && rm -f $guard
    fi
fi

# --- Python
if [ "$wanted" != "$have" ]; then
    python=$(find_python) || { say "error: no Python 3.11, 3.12 or 3.13 was found"; exit 1; }
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
    printf '%s\n' "$wanted" > .venv/stamp
fi

# --- the base image
if [ $image = no ]; then
    .venv/bin/python tools/build_image.py
fi
say "Everything is installed."
