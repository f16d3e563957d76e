#!/usr/bin/env bash
# A town that lives while everything breaks: scripts/day.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
unset HONGYAN_CONFIG

asks_for_help --dev "$@" || scripts/setup.sh --dev --servers
exec var/venv/bin/python -m tests.day "$@"
