#!/usr/bin/env bash
# Hongyan in one process on this machine: scripts/standalone.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
unset HONGYAN_CONFIG

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.standalone "$@"
