"""TLS to the store, as the settings say."""

from __future__ import annotations

import ssl

from conf.mistakes import BadSettings
from conf.sections import StoreSettings


def tls_context(store: StoreSettings) -> ssl.SSLContext | None:
    """How to speak TLS with the store, None for not at all. Raises BadSettings."""
    if store.tls == "off":
        return None
    try:
        return ssl.create_default_context(cafile=store.tls_ca or None)
    except OSError as error:  # ssl.SSLError is one
        raise BadSettings(
            f"store.tls_ca, {store.tls_ca}, cannot be used ({error.strerror or error}): name the PEM file of the CA "
            'that signed the server\'s certificate, or write "" for those that this system trusts.'
        ) from None
