# Sourced by every script before anything else: goes to the checkout, however the script was called.
set -euo pipefail
unset CDPATH # with it, `cd` may go elsewhere, and says so

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
called_from=$PWD
cd "$root"

# Whose paths would have to be quoted differently for RabbitMQ, MariaDB, nginx and Lua; conf/values.py knows the same.
case $root/${HONGYAN_VAR:-var} in
*[[:space:][:cntrl:]\'\"\`\#\$\;\\\{\}\(\)\[\]\<\>\&\|\*\?\:]*)
    echo "scripts/${0##*/}: the path of the checkout ($root) or of HONGYAN_VAR (${HONGYAN_VAR:-not set}) has a space or" \
        "one of ' \" \` # \$ ; \\ { } ( ) [ ] < > & | * ? : which the servers cannot take: choose another path." >&2
    exit 1
    ;;
esac
. ops/help.sh
