# Sourced by the scripts of a cluster: `config` is the configuration, conf/cluster.toml by default.

config=${HONGYAN_CONFIG:-$root/conf/cluster.toml}
case $config in /*) ;; *) config=$called_from/$config ;; esac
unset HONGYAN_CONFIG
