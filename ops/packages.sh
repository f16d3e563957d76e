# Sourced: installs system packages where that may be done without asking (root on Debian or Ubuntu).

policy=/usr/sbin/policy-rc.d

# install_packages PACKAGE...: no service is started by it, and nothing that is installed is removed for it, such as a
# MySQL for MariaDB. Returns 1 where it cannot install.
install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "installing $* (apt-get)"
    local made_policy=""
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=yes
    fi
    local outcome=0
    _apt_get "$@" 2>/dev/null || { DEBIAN_FRONTEND=noninteractive apt-get update -qq && _apt_get "$@"; } || outcome=1
    [ -z "$made_policy" ] || rm -f "$policy"
    return "$outcome"
}

_apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-remove --no-install-recommends "$@" >/dev/null
}
