"""A signature beside a checkpoint, as OpenSSF's model-signing writes one: is the file what was signed, and by
whom?

The bundle (`model.sig`) holds a list of files with their hashes, signed with a key, with a certificate, or
through Sigstore. That the files are the signed ones is always looked at, who signed where the recipe names a
key or certificate (`model.signed_by`). Nothing is asked of anybody.

OpenSSF Model Signing Specification v1.0; Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reportgen import files as regular
from reportgen.errors import InputError, RecipeError
from reportgen.inputs.checkpoints.shards import find_shards
from reportgen.version import with_extra

NAME = "model.sig"
LARGEST_BYTES, LARGEST_KEY_BYTES = 50_000_000, 1_000_000
ITSELF = "."  # how a signature of one file calls it
AGAIN = "get checkpoint and signature again from whoever signed them; reportgen audits nothing else under it"
CERTIFICATE, PUBLIC_KEY = (f"-----BEGIN {what}-----".encode() for what in ("CERTIFICATE", "PUBLIC KEY"))
KINDS = {
    "publicKey": "a key",
    "x509CertificateChain": "a certificate",
    "certificate": "a certificate of Sigstore",
}


@dataclass(frozen=True)
class Signature:
    """A bundle that fits the checkpoint: its file's name and SHA-256, and what was found, in words. `signer`
    is the SHA-256 of the key file that it was verified with; None where nobody said whose it should be."""

    name: str
    sha256: str
    words: str
    signer: str | None = None


def checked(checkpoint: Path, signed_by: str | None, folder: Path) -> Signature | None:
    """The signature beside a checkpoint; None where there is none and nobody asks for one.

    `signed_by` is a public key or certificates in PEM, relative to `folder`. Raises InputError where the
    checkpoint is not what was signed or somebody else signed it, RecipeError where it cannot be looked at.
    """
    checkpoint = _with_a_name(checkpoint)
    bundle = find(checkpoint)
    if bundle is None:
        if signed_by is None or not checkpoint.exists():
            return None
        raise InputError(
            f"there is no signature {NAME} beside {checkpoint}, and model.signed_by asks for one",
            "put the signature there, or leave model.signed_by out",
        )
    key = _key(signed_by, folder) if signed_by is not None else None
    statement, kind, digest = _read(bundle)
    if not _installed(asked=key is not None):
        return Signature(bundle.name, digest, f"not checked: {with_extra('signing')}")
    if key is None and _of_another(checkpoint, bundle, statement):
        return None
    root = _covered(checkpoint, bundle, statement)
    _compared(root, bundle, statement)
    if key is None:
        words = f"the checkpoint is what was signed with {kind}; whose it is was not asked (model.signed_by)"
        return Signature(bundle.name, digest, words)
    _verified(root, bundle, statement, key)
    words = f"verified with {key.name}: the checkpoint is what was signed with {kind}"
    return Signature(bundle.name, digest, words, hashlib.sha256(key.read_bytes()).hexdigest())


def find(checkpoint: Path) -> Path | None:
    """The bundle of a checkpoint: beside its file, by the file's name or as model.sig, or in its folder."""
    checkpoint = _with_a_name(checkpoint)
    if not checkpoint.name:  # the root of the disk: nothing lies beside it
        return None
    beside = (checkpoint.with_name(f"{checkpoint.name}.sig"), checkpoint.with_name(NAME))
    places = (checkpoint / NAME, beside[0]) if checkpoint.is_dir() else beside
    return next((place for place in places if place.is_file()), None)


def _with_a_name(checkpoint: Path) -> Path:
    """A path whose last part is the checkpoint's own name, and neither `.` nor `..`."""
    return checkpoint if checkpoint.name not in ("", "..") else checkpoint.resolve()


def _installed(asked: bool) -> bool:
    try:
        import model_signing  # noqa: F401
    except ImportError as error:
        if asked:
            raise RecipeError("model-signing is not installed", with_extra("signing")) from error
        return False
    return True


def _key(signed_by: str, folder: Path) -> Path:
    path = folder / signed_by
    try:
        text = regular.read(path, LARGEST_KEY_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        why = getattr(error, "strerror", None) or error
        raise RecipeError(f"model.signed_by: {path} cannot be read: {why}", "check it") from error
    if CERTIFICATE not in text and PUBLIC_KEY not in text:
        raise RecipeError(
            f"model.signed_by: {path} is no public key and no certificate in PEM",
            "name the signer's public key, or the certificate that theirs is issued under",
        )
    return path


def _read(bundle: Path) -> tuple[Mapping[str, Any], str, str]:
    """A bundle's statement, what it was signed with, and its hash. Raises InputError where it is none."""
    try:
        data = regular.read(bundle, LARGEST_BYTES)
        content = json.loads(data)
        statement = json.loads(base64.b64decode(content["dsseEnvelope"]["payload"], validate=True))
        material = content["verificationMaterial"]
        kind = next(words for key, words in KINDS.items() if key in material)
        # what is looked at later
        dict(statement["predicate"]["serialization"]), list(_names(statement))
        str(statement["subject"][0]["name"])
    except OSError as error:
        raise InputError(f"{bundle} cannot be read: {error.strerror}", "check it") from error
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError) as error:
        raise InputError(f"{bundle} is no signature of model-signing ({_line(error)})", AGAIN) from error
    return statement, kind, hashlib.sha256(data).hexdigest()


def _names(statement: Mapping[str, Any]) -> Iterator[str]:
    return (str(resource["name"]) for resource in statement["predicate"]["resources"])


def _of_another(checkpoint: Path, bundle: Path, statement: Mapping[str, Any]) -> bool:
    """Whether a model.sig is the signature of one other file of the folder."""
    named = statement["subject"][0]["name"]
    alone = {name.split(":")[0] for name in _names(statement)} == {ITSELF}
    return alone and bundle.name == NAME and checkpoint.is_file() and named != checkpoint.name


def _covered(checkpoint: Path, bundle: Path, statement: Mapping[str, Any]) -> Path:
    """What was signed: the checkpoint's file itself, or the folder that it is of. Raises InputError where the
    signature is of other files."""
    shards = find_shards(checkpoint)
    files = shards.files if shards else (checkpoint,)
    # a large file may be signed in parts: NAME:from:to
    signed = {name.split(":")[0] for name in _names(statement)}
    if signed == {ITSELF} and len(files) == 1:
        return files[0]
    # a folder's bundle lies in it, or beside it by its name: the names in it are relative to the folder
    root = checkpoint if checkpoint.is_dir() else bundle.parent
    for file in files:
        if file.relative_to(root).as_posix() not in signed:
            raise InputError(f"{bundle} does not cover {file.name}: it is of other files", AGAIN)
    return root


def _compared(root: Path, bundle: Path, statement: Mapping[str, Any]) -> None:
    """Holds the files against the hashes of a statement, whoever signed it. Raises InputError."""
    expected = {str(one["name"]): str(one["digest"]) for one in statement["predicate"]["resources"]}
    _all_inside(root, bundle, statement)
    try:
        found = _hashing(root, statement).hash(root)
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{bundle} does not fit {root}: {_line(error)}", AGAIN) from error
    actual = {one.identifier: one.digest.digest_hex for one in found.resource_descriptors()}
    for name, digest in expected.items():
        if actual.get(name) != digest:
            which = root.name if name == ITSELF else name
            raise InputError(f"{which} is not what was signed: its hash is not that of {bundle}", AGAIN)


def _all_inside(root: Path, bundle: Path, statement: Mapping[str, Any]) -> None:
    """Raises InputError where a statement names what lies outside of its folder, or no file: nothing else is
    opened, a device would be read without end."""
    for name in _names(statement):
        path = PurePosixPath(name.split(":")[0])
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{bundle} names {name[:80]}, which lies outside of {root}", AGAIN)
        if kind := regular.what_else(root / path):
            raise InputError(f"{bundle} names {name[:80]}, which cannot be read: {kind}", AGAIN)


def _hashing(root: Path, statement: Mapping[str, Any]) -> Any:
    """How the files of a statement were hashed, for the files that it names and no other: what lies beside
    them was not signed, and is none of its."""
    from model_signing import hashing

    class OfSigned(hashing.Config):  # type: ignore[misc]
        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> Any:
            files = sorted({root / name.split(":")[0] for name in _names(statement)})
            return super().hash(model_path, files_to_hash=files)

    how = statement["predicate"]["serialization"]
    # hashlib's name stands in the statement, model-signing's own is another
    algorithm = {"blake2b": "blake2"}.get(how["hash_type"], how["hash_type"])
    links = bool(how.get("allow_symlinks"))
    given: dict[str, Any] = {"hashing_algorithm": algorithm, "allow_symlinks": links}
    config = OfSigned()
    if how["method"] == "shards":
        return config.use_shard_serialization(shard_size=int(how["shard_size"]), **given)
    return config.use_file_serialization(**given)


def _verified(root: Path, bundle: Path, statement: Mapping[str, Any], key: Path) -> None:
    """Verifies a bundle with a key or certificates, and the files with it. Raises InputError."""
    from model_signing import verifying

    config = verifying.Config().set_hashing_config(_hashing(root, statement))
    try:
        if CERTIFICATE in key.read_bytes():
            config.use_certificate_verifier(certificate_chain=[key])
        else:
            config.use_elliptic_key_verifier(public_key=key)
        config.verify(root, bundle)
    except Exception as error:  # whatever is wrong with it: the libraries below have their own kinds
        raise InputError(f"{bundle} is not verified with {key.name}: {_line(error)}", AGAIN) from error


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:200]
