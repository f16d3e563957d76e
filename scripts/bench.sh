#!/usr/bin/env bash
# Load on a private cluster, and figures: scripts/bench.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
unset HONGYAN_CONFIG

asks_for_help --dev "$@" || scripts/setup.sh --dev --servers
exec var/venv/bin/python -m bench "$@"
