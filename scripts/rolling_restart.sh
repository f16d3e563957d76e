#!/usr/bin/env bash
# Restart gateways and workers one after the other, while others serve: scripts/rolling_restart.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/configured.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.cluster.rolling --config "$config" restart "$@"
