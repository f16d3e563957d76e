#!/usr/bin/env bash
# A town that lives while everything breaks: scripts/day.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG
. ops/help.sh

asks_for_help --dev "$@" || scripts/setup.sh --dev --servers
exec var/venv/bin/python -m tests.day "$@"
