#!/usr/bin/env bash
# Hongyan in one process on this machine: scripts/standalone.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG

case ${1:-run} in
run | start) scripts/setup.sh ;;
*) [ -x var/venv/bin/python ] || scripts/setup.sh ;;
esac
exec var/venv/bin/python -m scripts.standalone "$@"
