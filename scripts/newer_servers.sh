#!/usr/bin/env bash
# The tests against newer servers than the installed ones: scripts/newer_servers.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG
. ops/help.sh

asks_for_help --dev "$@" || scripts/setup.sh --dev
exec var/venv/bin/python -m tests.newer_servers "$@"
