#!/usr/bin/env bash
# Runs the tests against real, private servers: scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG

case ${1:-} in
-h | --help)
    echo "usage: scripts/test.sh [pytest arguments], such as: scripts/test.sh tests/protocol -k codec"
    echo "Two processes run side by side; -n 0 runs one after another, and shows how long faults took."
    exit 0
    ;;
esac
scripts/setup.sh --dev --servers
exec var/venv/bin/python -m pytest -n 2 --dist loadgroup "$@"
