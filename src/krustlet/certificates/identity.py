"""Show the API server the newest certificate there is.

Owns which one that is. Leaves getting new ones to `rotation.py`.
"""

import os
from typing import Final

from krustlet.certificates.store import Held, Store
from krustlet.certificates.wanted import Purpose
from krustlet.kube import ClientCertificate, Credentials, Identity

_Stamp = tuple[int, int, int]
_NONE: Final[_Stamp] = (0, 0, 0)


class StoredCredentials:
    """The certificate in the store, or those of a kubeconfig until there is one.

    The file is looked at with each request, which costs a microsecond: who replaced it need tell
    nobody. Each new certificate is a new object, by which connections see that they are to be made
    anew; those that are open go on.
    """

    def __init__(self, store: Store, fallback: Credentials, *, first: Held | None = None) -> None:
        """Keep what it is given.

        Args:
            fallback: shown as long as nothing is in the store.
            first: its certificate, if it has one.
        """
        self._store = store
        self._path = store.path(Purpose.CLIENT)
        self._fallback = fallback
        self.first = first
        self._seen: _Stamp = _NONE
        self._identity = Identity()

    async def identity(self) -> Identity:
        seen = self._stamp()
        if seen == _NONE:
            return await self._fallback.identity()
        if seen != self._seen:
            self._seen = seen
            self._identity = Identity("", ClientCertificate(self._path, self._path))
        return self._identity

    def reject(self, identity: Identity) -> None:
        if identity is not self._identity:
            self._fallback.reject(identity)

    def held(self) -> Held | None:
        """The certificate that is shown; reads files.

        Raises:
            CertificatesError: nobody can tell.
        """
        return self._store.held(Purpose.CLIENT) or self.first

    def _stamp(self) -> _Stamp:
        try:
            status = os.stat(self._path)
        except OSError:
            return _NONE
        return status.st_ino, status.st_size, status.st_mtime_ns

    def __repr__(self) -> str:
        return f"StoredCredentials({self._path}, else {self._fallback})"
