#!/usr/bin/env bash
# Runs the tests against real, private servers: scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG

case ${1:-} in
-h | --help)
    echo "usage: scripts/test.sh [pytest arguments], such as: scripts/test.sh tests/protocol -k codec"
    echo "Without a path: two processes side by side run everything but tests/faults, which then runs alone."
    exit 0
    ;;
esac
scripts/setup.sh --dev --servers
pytest=(var/venv/bin/python -m pytest)
case "$*" in
*tests*) exec "${pytest[@]}" "$@" ;;
esac

NOTHING_SELECTED=5
status=0
run() {
    local code=0
    "$@" || code=$?
    [ $code -eq 0 ] || [ $code -eq $NOTHING_SELECTED ] || status=$code
}
run "${pytest[@]}" -n 2 --ignore tests/faults "$@"
# What breaks servers under load is timed, so nothing else runs beside it.
run "${pytest[@]}" tests/faults "$@"
exit $status
