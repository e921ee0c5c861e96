"""Secret values: keys derived from the one secret of the installation, keyed hashes, and encryption at rest."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class SecretBox:
    """Everything that is derived from `SECRET_KEY`, each purpose with a key of its own (HKDF-SHA256, RFC 5869).

    Two purposes never share a key, so a value made for one can never be passed off as a value of another.
    """

    def __init__(self, secret_key: str) -> None:
        self._secret = secret_key.encode()
        self.key = lru_cache(maxsize=32)(self._derive)

    def _derive(self, purpose: str) -> bytes:
        """32 bytes for this purpose."""
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"secureapi/{purpose}".encode()).derive(self._secret)

    def fingerprint(self, purpose: str, text: str) -> str:
        """A keyed hash (HMAC-SHA256) as 64 hexadecimal digits: recognises a value again without keeping it."""
        return hmac.new(self.key(purpose), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def tag(self, purpose: str, data: bytes) -> bytes:
        """A keyed hash (HMAC-SHA256) as 32 bytes."""
        return hmac.digest(self.key(purpose), data, "sha256")

    def tagger(self, purpose: str) -> Callable[[bytes], bytes]:
        """`tag` for one purpose, for whoever tags thousands of small things while another thread works: `hmac.digest` lets go of the
        interpreter each time, and gets it back when the other one is content.
        """
        keyed = hmac.new(self.key(purpose), digestmod=hashlib.sha256)

        def tag(data: bytes) -> bytes:
            tagging = keyed.copy()
            tagging.update(data)
            return tagging.digest()

        return tag

    def seal(self, purpose: str, plain: bytes, *, context: bytes) -> bytes:
        """Encrypt with AES-256-GCM: nonce followed by ciphertext. `context` is bound to it (AAD) and must be given again."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.key(purpose)).encrypt(nonce, plain, context)

    def unseal(self, purpose: str, sealed: bytes, *, context: bytes) -> bytes:
        """Decrypt what `seal` made. Raises `cryptography.exceptions.InvalidTag` for anything else."""
        if len(sealed) < _NONCE_BYTES:
            raise InvalidTag
        return AESGCM(self.key(purpose)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)

    def seal_text(self, purpose: str, text: str) -> str:
        """Encrypt a text for a place that takes only text, as JSON: base64url."""
        return base64.urlsafe_b64encode(self.seal(purpose, text.encode(), context=purpose.encode())).decode()

    def unseal_text(self, purpose: str, sealed: str) -> str:
        """Decrypt what `seal_text` made. Raises `cryptography.exceptions.InvalidTag`, or `ValueError` where it is no base64."""
        return self.unseal(purpose, base64.urlsafe_b64decode(sealed), context=purpose.encode()).decode()
