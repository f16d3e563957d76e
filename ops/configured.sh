# Sourced by the scripts of a cluster: goes to the checkout; `config` is the configuration, conf/cluster.toml by default.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
config=${HONGYAN_CONFIG:-$root/conf/cluster.toml}
case $config in /*) ;; *) config=$PWD/$config ;; esac
unset HONGYAN_CONFIG
cd "$root"
. ops/help.sh
