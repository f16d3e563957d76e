#!/usr/bin/env bash
# A small terminal client, so that a person can chat with a person: scripts/chat.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
case ${HONGYAN_CONFIG:-} in
"" | /*) ;;
*) export HONGYAN_CONFIG=$called_from/$HONGYAN_CONFIG ;;
esac

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.chat "$@"
