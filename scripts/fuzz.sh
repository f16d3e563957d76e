#!/usr/bin/env bash
# Mutated frames against a running system, by every door: scripts/fuzz.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG
. ops/help.sh

asks_for_help --dev "$@" || scripts/setup.sh --dev
exec var/venv/bin/python -m tests.fuzz "$@"
