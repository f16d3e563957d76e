#!/usr/bin/env bash
# A self-signed certificate for trying TLS at the door: scripts/certificate.sh [NAME ...]
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"

case ${1:-} in
-h | --help)
    echo "usage: scripts/certificate.sh [NAME ...]"
    echo "Makes var/tls/certificate.pem and var/tls/key.pem for these host names or addresses (localhost and 127.0.0.1)."
    exit 0
    ;;
esac
command -v openssl >/dev/null || { echo "scripts/certificate.sh: openssl is needed." >&2 && exit 1; }

[ $# -gt 0 ] || set -- localhost 127.0.0.1
names=""
for name in "$@"; do
    case $name in
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) names+=",IP:$name" ;;
    *) names+=",DNS:$name" ;;
    esac
done
directory=${HONGYAN_VAR:-var}/tls
umask 077
mkdir -p "$directory"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=$1" \
    -addext "subjectAltName=${names#,}" -keyout "$directory/key.pem" -out "$directory/certificate.pem" 2>/dev/null
cat <<END
made $directory/certificate.pem for $*; nobody but you trusts it. In conf/cluster.toml, below [nginx]:
    certificate = "$directory/certificate.pem"
    certificate_key = "$directory/key.pem"
then scripts/cluster.sh restart nginx && scripts/cluster.sh restart nginx-tcp
END
