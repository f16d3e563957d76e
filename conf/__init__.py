"""Configuration: one TOML file per mode, overridden by HONGYAN_* variables. Read only by the composition roots."""
