#!/usr/bin/env bash
# A small terminal client, so that a person can chat with a person: scripts/chat.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${HONGYAN_CONFIG:-} in
"" | /*) ;;
*) export HONGYAN_CONFIG=$PWD/$HONGYAN_CONFIG ;;
esac
cd "$root"
. ops/help.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.chat "$@"
