#!/usr/bin/env bash
# The tests against newer servers than the installed ones: scripts/newer_servers.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
unset HONGYAN_CONFIG

asks_for_help --dev "$@" || scripts/setup.sh --dev
exec var/venv/bin/python -m tests.newer_servers "$@"
