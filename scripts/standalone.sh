#!/usr/bin/env bash
# Hongyan in one process on this machine: scripts/standalone.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG
. ops/help.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.standalone "$@"
