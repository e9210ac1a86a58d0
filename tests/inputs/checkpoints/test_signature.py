"""A signature beside a checkpoint, made by model-signing itself: who signed, and is it what was signed?"""

from __future__ import annotations

import base64
import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from model_signing import hashing, signing
from typer.testing import CliRunner

from reportgen.cli.commands import app
from reportgen.errors import InputError, RecipeError
from reportgen.inputs.checkpoints.signature import Signature, checked
from reportgen.pipeline import run

DAY = datetime.timedelta(days=1)


def secret(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new private key, written to `path` in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return key


def public(key: ec.EllipticCurvePrivateKey, path: Path) -> None:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


def certificate(path: Path, name: str, key: Any, issuer: Any = None, by: Any = None) -> x509.Certificate:
    """A certificate of a key, written to `path` in PEM: a root's own without an issuer."""
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begun = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    is_root = issuer is None
    usage = x509.KeyUsage(
        digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(issuer.subject if issuer else called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + 3650 * DAY)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(by or key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return made


class Signed:
    """A folder with a checkpoint's bytes, two keys, and what model-signing makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "model.safetensors"
        self.file.write_bytes(bytes(range(256)) * 10)
        for name in ("mine", "other"):
            public(secret(folder / f"{name}.pem"), folder / f"{name}.pub")

    def sign(self, model: Path, bundle: Path, how: hashing.Config | None = None) -> None:
        config = signing.Config().use_elliptic_key_signer(private_key=self.folder / "mine.pem")
        (config.set_hashing_config(how) if how else config).sign(model, bundle)

    def found(self, signed_by: str | None = "mine.pub", model: Path | None = None) -> Signature | None:
        return checked(model or self.file, signed_by, self.folder)


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    made = Signed(tmp_path)
    made.sign(made.file, tmp_path / "model.sig")
    return made


def test_a_signed_file_is_verified_with_the_signers_key(signed: Signed) -> None:
    found = signed.found()
    assert found is not None
    assert found.words == "verified with mine.pub: the checkpoint is what was signed with a key"
    assert found.signer is not None
    unasked = signed.found(signed_by=None)
    assert unasked is not None
    assert (unasked.signer, "was not asked" in unasked.words) == (None, True)


@pytest.mark.parametrize("signed_by", ["mine.pub", None])
def test_one_flipped_bit_is_an_error_whoever_signed(signed: Signed, signed_by: str | None) -> None:
    content = bytearray(signed.file.read_bytes())
    content[1000] ^= 1
    signed.file.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is not what was signed") as raised:
        signed.found(signed_by)
    assert raised.value.exit_code == 3


def test_somebody_elses_signature_is_an_error(signed: Signed) -> None:
    with pytest.raises(InputError, match=r"not verified with other\.pub"):
        signed.found("other.pub")


def test_a_statement_that_was_changed_after_it_was_signed_is_an_error(signed: Signed) -> None:
    """The file was changed, and its new hash entered: only the signature itself tells."""
    import hashlib

    signed.file.write_bytes(b"another network")
    bundle = json.loads((signed.folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    (resource,) = statement["predicate"]["resources"]
    resource["digest"] = hashlib.sha256(b"another network").hexdigest()
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (signed.folder / "model.sig").write_text(json.dumps(bundle))
    with pytest.raises(InputError, match=r"not verified with mine\.pub"):
        signed.found()


@pytest.mark.parametrize("algorithm", ["sha256", "blake2"])
@pytest.mark.parametrize("parts", [False, True])
def test_a_folder_is_verified_by_each_of_its_files(signed: Signed, algorithm: Any, parts: bool) -> None:
    folder = signed.folder / "saved"
    folder.mkdir()
    shutil.copy(signed.file, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    how = hashing.Config()
    how = (
        how.use_shard_serialization(hashing_algorithm=algorithm, shard_size=1000)
        if parts
        else how.use_file_serialization(hashing_algorithm=algorithm)
    )
    signed.sign(folder, folder / "model.sig", how)
    (folder / "notes.txt").write_text("written later, and not signed")
    for model in (folder, folder / "model.safetensors"):
        for key in ("mine.pub", None):
            assert signed.found(key, model) is not None
    (folder / "config.json").write_text('{"other": 1}')
    for key in ("mine.pub", None):
        with pytest.raises(InputError, match=r"config\.json.* is not what was signed"):
            signed.found(key, folder)
    shutil.copy(signed.file, folder / "more.safetensors")
    with pytest.raises(InputError, match=r"does not cover more\.safetensors"):
        signed.found("mine.pub", folder / "more.safetensors")


def test_a_certificate_is_verified_by_the_one_that_it_is_issued_under(signed: Signed) -> None:
    folder = signed.folder
    root_key, own_key = secret(folder / "root.pem"), secret(folder / "own.pem")
    root = certificate(folder / "root.crt", "Models", root_key)
    certificate(folder / "own.crt", "Release", own_key, root, root_key)
    certificate(folder / "stranger.crt", "Strangers", secret(folder / "stranger.pem"))
    signing.Config().use_certificate_signer(
        private_key=folder / "own.pem",
        signing_certificate=folder / "own.crt",
        certificate_chain=[folder / "root.crt"],
    ).sign(signed.file, folder / "model.sig")
    found = signed.found("root.crt")
    assert found is not None
    assert "signed with a certificate" in found.words
    with pytest.raises(InputError, match=r"not verified with stranger\.crt"):
        signed.found("stranger.crt")


def test_where_there_is_no_signature_nothing_is_said_unless_one_is_asked_for(signed: Signed) -> None:
    (signed.folder / "model.sig").unlink()
    assert signed.found(signed_by=None) is None
    with pytest.raises(InputError, match=r"there is no signature model\.sig beside"):
        signed.found()


def test_a_signature_of_another_file_of_the_folder_is_not_this_ones(signed: Signed) -> None:
    other = signed.folder / "epoch-2.safetensors"
    other.write_bytes(b"later")
    assert signed.found(None, other) is None
    with pytest.raises(InputError):
        signed.found("mine.pub", other)
    signed.sign(other, signed.folder / "epoch-2.safetensors.sig")
    assert signed.found("mine.pub", other) is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "{}",
        lambda text: "[]",
        lambda text: text.replace('"payload": "', '"payload": "!!!'),
        lambda text: text.replace("publicKey", "somethingElse"),
        lambda text: "",
    ],
)
def test_what_is_no_signature_is_an_error(signed: Signed, spoil: Callable[[str], str]) -> None:
    bundle = signed.folder / "model.sig"
    text = json.dumps(json.loads(bundle.read_text()))
    bundle.write_text(spoil(text))
    with pytest.raises(InputError):
        signed.found(signed_by=None)


@pytest.mark.parametrize("signed_by", ["gone.pub", "model.safetensors", "/dev/zero", "a\0b"])
def test_what_is_no_key_is_an_error_of_the_recipe(signed: Signed, signed_by: str) -> None:
    with pytest.raises(RecipeError, match=r"model\.signed_by"):
        signed.found(signed_by)


def test_it_stands_in_the_report_and_verify_looks_again(two_at: Any, tmp_path: Path) -> None:
    two, keys = two_at(tmp_path), Signed(tmp_path)
    checkpoint = tmp_path / "main.safetensors"
    keys.sign(checkpoint, tmp_path / "model.sig")
    trusted = "trust: {images: 1, steps: 2, random_orders: 2}"
    edit = lambda text: text.partition("beside:")[0].replace(trusted, "trust: false")  # noqa: E731
    recipe = two.recipe(at_most=1, own="", edit=edit).with_values({"model.signed_by": "mine.pub"})
    out = tmp_path / "out"
    outcome = run(recipe, checkpoint, two.images, out)
    found = outcome.results["model"]["signature"]
    assert found is not None
    assert found["words"].startswith("verified with mine.pub")
    page = (out / "report.html").read_text()
    assert found["signer"] in page
    assert found["sha256"] in page
    assert found["sha256"] in (out / "statement.intoto.json").read_text()
    command = ["verify", str(out), "--checkpoint", str(checkpoint)]
    assert "verified with mine.pub" in CliRunner().invoke(app, command).stdout
    (tmp_path / "model.sig").unlink()
    again = CliRunner().invoke(app, command)
    assert (again.exit_code, f"changed: {tmp_path / 'model.sig'}" in again.stdout) == (1, True)


def test_a_folder_is_signed_by_a_bundle_beside_it_or_named_as_the_working_folder(
    signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = signed.folder / "saved"
    folder.mkdir()
    shutil.copy(signed.file, folder / "model.safetensors")
    (signed.folder / "model.sig").unlink()
    signed.sign(folder, signed.folder / "saved.sig")
    monkeypatch.chdir(folder)
    for model in (folder, Path()):
        for key in ("mine.pub", None):
            assert signed.found(key, model) is not None
    (folder / "model.safetensors").write_bytes(b"another network")
    with pytest.raises(InputError, match=r"model\.safetensors is not what was signed"):
        signed.found("mine.pub", Path())


@pytest.mark.parametrize("name", ["/dev/zero", "../mine.pem", "pipe"])
def test_a_statement_opens_no_file_but_those_of_its_folder(signed: Signed, name: str) -> None:
    """A bundle that nobody has verified yet must not have a device read, a pipe waited for, or a secret."""
    folder = signed.folder / "saved"
    folder.mkdir()
    shutil.copy(signed.file, folder / "model.safetensors")
    signed.sign(folder, folder / "model.sig")
    os.mkfifo(folder / "pipe")
    bundle = json.loads((folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    resources = statement["predicate"]["resources"]
    resources.append({**resources[0], "name": name})
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "model.sig").write_text(json.dumps(bundle))
    with pytest.raises(InputError, match=r"model\.sig names"):
        signed.found(None, folder)
