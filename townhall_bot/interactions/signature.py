"""Whether a request is Discord's: Ed25519 over its timestamp and body, by the application's public key.

See https://docs.discord.com/developers/interactions/overview ("Setting up an endpoint"). Discord tests now and then
that what is signed wrongly is refused, and takes the address out of the application where it is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

SIGNATURE, TIMESTAMP = "X-Signature-Ed25519", "X-Signature-Timestamp"
TOLERANCE_S = 300.0
"""How far a timestamp may be from this machine's clock: a request that was overheard cannot be sent again for ever."""
KEY_BYTES = 32
INSTALL = "pip install 'townhall-bot[http]'"


class KeyProblem(Exception):
    """The public key cannot be used; the message says what to do."""


class Verifier:
    """Checks requests against one public key, given as hex. Raises :class:`KeyProblem` where that is none."""

    def __init__(self, public_key: str, clock: Callable[[], float] = time.time) -> None:
        try:
            # Only here: who has no such endpoint need not have it installed.
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        except ImportError:
            raise KeyProblem(f"checking Discord's signatures takes the package cryptography: {INSTALL}") from None
        self._invalid, self._clock = InvalidSignature, clock
        try:
            self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        except ValueError:
            raise KeyProblem(
                "TOWNHALL_PUBLIC_KEY is no public key: it is 64 hexadecimal digits. Copy it from "
                "https://discord.com/developers/applications (your application → General Information → Public Key)."
            ) from None

    def accepts(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell whether a request was signed by Discord, just now."""
        timestamp = headers.get(TIMESTAMP, "")
        try:
            self._key.verify(bytes.fromhex(headers.get(SIGNATURE, "")), timestamp.encode() + body)
            return abs(self._clock() - float(timestamp)) <= TOLERANCE_S
        except (self._invalid, ValueError):
            return False
