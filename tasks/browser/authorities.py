"""Certificate authorities of the user's own, as Chromium takes them on Linux.

It reads those of its distribution, and besides a database of NSS in the home folder; no
switch names a file. So a browser that is to trust ``LIMPET_CA_FILE`` gets a home of its
own, made once for what the file says. It is made with the library that Chromium itself
is built on, in a process of its own: this file, which is therefore of the standard
library alone.
"""

import ctypes
import hashlib
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_LIBRARY = "libnss3.so"
#: Where Chromium looks, in a home.
_PLACE = Path(".pki", "nssdb")
#: "A CA, and one that is trusted" (``CERTDB_VALID_CA | CERTDB_TRUSTED_CA``).
_TRUSTED = 0x8 | 0x10
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
#: Seconds for the process that writes the database: it takes 0.1.
_WITHIN = 30.0


def home(ca_file: Path, folder: Path) -> Path:
    """Return a home below *folder*, in which the authorities of *ca_file* are trusted.

    Raises:
        OSError: it cannot be made; the text says why.
    """
    text = ca_file.read_bytes()
    made = folder / f"browser-{hashlib.sha256(text).hexdigest()[:16]}"
    if made.is_dir():
        return made
    new = Path(tempfile.mkdtemp(prefix="browser-", dir=folder))
    try:
        (new / _PLACE).mkdir(parents=True)
        _apart(new / _PLACE, ca_file)
        new.rename(made)
    except OSError:
        # Another worker was faster.
        if not made.is_dir():
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return made


def _apart(database: Path, ca_file: Path) -> None:
    """Write *database* in a process that has nothing else of NSS."""
    program = [sys.executable, "-I", __file__, str(database), str(ca_file)]
    try:
        done = subprocess.run(  # noqa: S603 - Python, and this file
            program, capture_output=True, text=True, timeout=_WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError("NSS does not come to an end") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise OSError(said[-1])


class _Item(ctypes.Structure):
    """NSS's ``SECItem``."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("data", ctypes.c_char_p),
        ("len", ctypes.c_uint),
    )


class _Trust(ctypes.Structure):
    """NSS's ``CERTCertTrust``."""

    _fields_ = (
        ("ssl", ctypes.c_uint),
        ("email", ctypes.c_uint),
        ("signing", ctypes.c_uint),
    )


def _write(folder: str, ca_file: str) -> None:
    nss = ctypes.CDLL(_LIBRARY)

    def do(name: str, *given: Any) -> None:
        if getattr(nss, name)(*given):
            sys.exit(f"{name} failed in {_LIBRARY} ({nss.PORT_GetError()})")

    def get(name: str, *given: Any) -> ctypes.c_void_p:
        function = getattr(nss, name)
        function.restype = ctypes.c_void_p
        return ctypes.c_void_p(function(*given))

    do("NSS_Initialize", f"sql:{folder}".encode(), b"", b"", b"secmod.db", 0)
    slot, database = get("PK11_GetInternalKeySlot"), get("CERT_GetDefaultCertDB")
    if nss.PK11_NeedUserInit(slot):
        do("PK11_InitPin", slot, None, b"")
    text = Path(ca_file).read_text("ascii", "replace")
    for n, part in enumerate(text.split(_BEGIN)[1:]):
        der = ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{part.partition(_END)[0]}{_END}\n")
        item = ctypes.byref(_Item(0, der, len(der)))
        name = f"authority {n}".encode()
        do("PK11_ImportDERCert", slot, item, ctypes.c_ulong(0), name, 0)
        found = get("CERT_FindCertByDERCert", database, item)
        trust = ctypes.byref(_Trust(_TRUSTED, 0, 0))
        do("CERT_ChangeCertTrust", database, found, trust)
        nss.CERT_DestroyCertificate(found)
    nss.PK11_FreeSlot(slot)
    do("NSS_Shutdown")


if __name__ == "__main__":
    try:
        _write(*sys.argv[1:])
    except OSError as error:
        sys.exit(f"{_LIBRARY} cannot be used ({error})")
