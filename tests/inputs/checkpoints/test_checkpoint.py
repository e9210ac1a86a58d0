"""Checkpoints: what is read, and that everything else is refused in our own words."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.reading import load


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(a=nn.Linear(3, 4), b=nn.BatchNorm1d(4), c=nn.Linear(4, 2)))


STATE = dict(network().state_dict())


def same(found, expected=STATE) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[k], v) for k, v in expected.items())


def torch_saved(path: Path, content: object, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def refused(path: Path) -> InputError:
    """The refusal, held to the rules for every refusal."""
    with pytest.raises(InputError) as caught:
        load(path)
    text = f"{caught.value.cause} {caught.value.remedy}"
    assert caught.value.exit_code == 3
    assert "\n" not in text
    assert caught.value.remedy
    assert "weights_only" not in text and "safe_globals" not in text
    return caught.value


# -- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_plain_state_dict(tmp_path, suffix, legacy):
    path = torch_saved(tmp_path / f"net{suffix}", network().state_dict(), legacy)
    found = load(path)
    assert same(found.state)
    assert found.name == path.name
    assert found.size_bytes == path.stat().st_size
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.format == ("torch pickle" if legacy else "torch zip")
    assert (found.wrapped_in, found.notes) == (None, ())


def test_safetensors(tmp_path):
    save_file(STATE, tmp_path / "net.safetensors")
    found = load(tmp_path / "net.safetensors")
    assert same(found.state)
    assert found.format == "safetensors"


def test_the_content_decides_not_the_suffix(tmp_path):
    save_file(STATE, tmp_path / "net.pth")
    assert load(tmp_path / "net.pth").format == "safetensors"
    torch_saved(tmp_path / "net.safetensors", STATE)
    assert load(tmp_path / "net.safetensors").format == "torch zip"


@pytest.mark.parametrize("key", ["state_dict", "model", "model_ema", "net"])
def test_wrapped(tmp_path, key):
    found = load(torch_saved(tmp_path / "x.pt", {"epoch": 3, key: STATE, "optimizer": {"lr": 0.1}}))
    assert same(found.state)
    assert found.wrapped_in == key


def test_wrapped_twice(tmp_path):
    found = load(torch_saved(tmp_path / "x.pt", {"model": {"state_dict": STATE, "arch": "x"}}))
    assert same(found.state)
    assert found.wrapped_in == "model.state_dict"


def test_the_arguments_of_a_training_script_beside_the_weights(tmp_path):
    """torchvision's and timm's reference scripts save their command line."""
    arguments = argparse.Namespace(lr=0.1, data=["a", "b"])
    found = load(torch_saved(tmp_path / "x.pt", {"model": STATE, "args": arguments}))
    assert same(found.state)


@pytest.mark.parametrize("padding", range(16))
def test_safetensors_are_known_whatever_byte_they_begin_with(tmp_path, padding):
    """The first byte is the length of the header: 0x80 would be a pickle's, 0x50 a zip's."""
    for length in (0x80, 0x50):
        name = "w" * (length - 55 - padding)
        save_file({name: torch.ones(1)}, tmp_path / "x.pt", {"p": "x" * padding})
        assert load(tmp_path / "x.pt").format == "safetensors"


def test_of_two_sets_of_weights_the_note_says_which_is_used(tmp_path):
    other = {key: value + 1 for key, value in STATE.items()}
    found = load(torch_saved(tmp_path / "x.pt", {"model_ema": other, "model": STATE}))
    assert same(found.state)
    assert "'model' are used" in found.notes[0] and "'model_ema' are not" in found.notes[0]


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_that_every_key_has_are_left_out(tmp_path, prefix):
    found = load(torch_saved(tmp_path / "x.pt", {prefix + k: v for k, v in STATE.items()}))
    assert same(found.state)
    assert prefix in found.notes[0]


def test_a_prefix_that_only_some_keys_have_stays(tmp_path):
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert same(load(torch_saved(tmp_path / "x.pt", state)).state, state)


def test_an_averaged_model(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(network())
    found = load(torch_saved(tmp_path / "x.pt", {"model_ema": averaged.state_dict()}))
    assert same(found.state)
    assert any("n_averaged" in note for note in found.notes)


def test_the_versions_of_the_modules_are_kept_under_their_stripped_names(tmp_path):
    wrapped = nn.Sequential(OrderedDict(module=network()))
    found = load(torch_saved(tmp_path / "x.pt", wrapped.state_dict()))
    assert found.metadata is not None
    assert found.metadata["b"] == {"version": 2}


# -- what is refused -----------------------------------------------------------------------------


def test_missing_file_and_the_nearest_name(tmp_path):
    (tmp_path / "epoch-10.pt").write_bytes(b"")
    (tmp_path / "nothing-here").mkdir()
    assert "did you mean 'epoch-10.pt'" in refused(tmp_path / "epoch-1O.pt").cause
    assert "without a checkpoint" in refused(tmp_path / "nothing-here").cause
    (tmp_path / "epoch-20.pt").write_bytes(b"")
    assert "2 files that may be meant: epoch-10.pt, epoch-20.pt" in refused(tmp_path).cause
    (tmp_path / "link.pt").symlink_to(tmp_path / "nothing.pt")
    refused(tmp_path / "link.pt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_does_not_wait_for_ever(tmp_path):
    os.mkfifo(tmp_path / "x.pt")
    refused(tmp_path / "x.pt")


class Evil:
    """A pickle that would make a file if it were ever run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, legacy):
    path = torch_saved(tmp_path / "x.pt", {"state_dict": STATE, "evil": Evil(tmp_path / "ran")}, legacy)
    assert "mkdir" in refused(path).cause
    assert not (tmp_path / "ran").exists()


def test_plain_pickles_that_would_run_code_are_not_run(tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "x.pt").write_bytes(pickle.dumps(Evil(tmp_path / "ran"), protocol))
        refused(tmp_path / "x.pt")
        assert not (tmp_path / "ran").exists()


class Own(nn.Linear):
    """A module of the user's own code."""


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"model": m, "epoch": 3}, lambda m: [m, 3]])
def test_a_whole_module_of_torch_gives_its_tensors_and_says_so(tmp_path, wrap):
    found = load(torch_saved(tmp_path / "x.pt", wrap(network())))
    assert same(found.state) and any("whole module that was pickled" in note for note in found.notes)
    error = refused(torch_saved(tmp_path / "x.pt", wrap(network()), legacy=True))  # its source is with it
    assert "torch.nn.modules." in error.cause and "state_dict()" in error.remedy


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("make", [lambda: Own(2, 2), lambda: nn.Sequential(nn.ReLU(), Own(2, 2))])
def test_a_whole_module_of_the_users_own_code_is_named(tmp_path, make, legacy):
    error = refused(torch_saved(tmp_path / "x.pt", make(), legacy))
    assert "Own" in error.cause or legacy  # there what was met first
    assert "run code from the file" in error.cause
    assert "state_dict()" in error.remedy


def test_of_a_whole_module_no_passing_buffer_is_taken_and_all_shared_ones_are(tmp_path):
    whole = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    whole[0].register_buffer("passing", torch.ones(1), persistent=False)
    whole.append(whole[0])
    found = load(torch_saved(tmp_path / "x.pt", nn.DataParallel(whole)))
    assert same(found.state, dict(whole.state_dict()))


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_torchscript_is_named(tmp_path):
    torch.jit.save(torch.jit.trace(network().eval(), torch.ones(1, 3)), tmp_path / "x.pt")
    assert "TorchScript" in refused(tmp_path / "x.pt").cause


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "empty"),
        ([1, 2], "list"),
        (3, "int"),
        (torch.ones(3), "Tensor"),
        ({"epoch": 3, "lr": 0.1}, "2 of its 2 entries are no tensors by name: 'epoch' (int)"),
        ({1: torch.ones(1)}, "1 of its 1 entries"),
        ({**STATE, "optimizer": {"lr": [0.1]}}, "'optimizer' (dict)"),
        ({"state_dict": {}}, "no state dict"),
        ({"model": {"net": {"state_dict": STATE}}}, "under 'model.net'"),
        ({"state_dict": {"epoch": 1}}, "under 'state_dict'"),
    ],
)
def test_what_is_no_state_dict_is_described(tmp_path, content, words):
    assert words in refused(torch_saved(tmp_path / "x.pt", content)).cause


def test_a_wrapping_in_itself_ends(tmp_path):
    loop: dict = {}
    loop["model"] = loop
    refused(torch_saved(tmp_path / "x.pt", loop))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0" * 5000, "zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "HDF5"),
        (b"\x1f\x8b\x08\0" + b"\0" * 99, "gzip"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 99, "TensorFlow Lite"),
        (b"just words, as many as there are", "neither safetensors"),
        (b"\x80\x02", "damaged"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f", "damaged"),
        (b"PK\x03\x04", "damaged"),
        (struct.pack("<Q", 10) + b"{", "safetensors"),
        (struct.pack("<Q", 2**63) + b"{}", "safetensors"),
    ],
)
def test_other_bytes_are_named(tmp_path, data, words):
    (tmp_path / "x.pt").write_bytes(data)
    assert words in refused(tmp_path / "x.pt").cause


def test_networks_of_tensorflow_are_named_with_a_way_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for member in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(member, "{}")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    for path, words in ((tmp_path / "m.keras", "Keras"), (tmp_path / "saved", "TensorFlow saved")):
        error = refused(path)
        assert words in error.cause and "ONNX" in error.remedy


def test_a_numpy_file_and_a_tar_file_are_named(tmp_path):
    np.save(tmp_path / "x.npy", np.ones(3))
    assert "numpy" in refused(tmp_path / "x.npy").cause
    with tarfile.open(tmp_path / "x.pt", "w") as tar:
        info = tarfile.TarInfo("storages")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert "tar file" in refused(tmp_path / "x.pt").cause


# -- damaged and hostile archives ----------------------------------------------------------------


def rewritten(path: Path, change, method: int = zipfile.ZIP_STORED) -> Path:
    """The archive with its members passed through `change(name, data) -> [(name, data), …]`."""
    with zipfile.ZipFile(path) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(path, "w", method) as new:
        for name, data in (pair for member in members for pair in change(*member)):
            new.writestr(name, data)
    return path


def test_one_flipped_bit_in_a_weight_is_found(tmp_path):
    """torch itself loads such a file without a word."""
    path = torch_saved(tmp_path / "x.pt", {"w": torch.ones(1000)})
    data = bytearray(path.read_bytes())
    data[data.index(struct.pack("<f", 1) * 10) + 17] ^= 0x10
    path.write_bytes(data)
    assert not torch.equal(torch.load(path, weights_only=True)["w"], torch.ones(1000))
    assert "checksum" in refused(path).cause


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files(tmp_path, kind, share):
    path = tmp_path / "x.pt"
    state = {"w": torch.rand(5000), "v": torch.rand(5000)}
    save_file(state, path) if kind == "safetensors" else torch_saved(path, state, kind == "legacy")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "damaged" in refused(path).cause


def test_a_compressed_archive_is_refused_unread(tmp_path):
    path = torch_saved(tmp_path / "x.pt", {"w": torch.zeros(10)})
    bomb = rewritten(
        path,
        lambda name, data: [(name, b"\0" * 50_000_000 if name.endswith("data/0") else data)],
        zipfile.ZIP_DEFLATED,
    )
    assert bomb.stat().st_size < 100_000
    assert "compressed" in refused(bomb).cause


def test_a_storage_that_is_smaller_than_it_claims_is_refused(tmp_path):
    path = torch_saved(tmp_path / "x.pt", {"w": torch.zeros(77_777)})
    rewritten(path, lambda name, data: [(name, data[:100] if name.endswith("data/0") else data)])
    refused(path)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = torch_saved(tmp_path / "x.pt", {"w": torch.zeros(10)})
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewritten(path, lambda name, data: [(name, data)] * (2 if name.endswith("data/0") else 1))
    assert "same name" in refused(path).cause


def test_members_that_overlap_are_refused(tmp_path):
    """The quoted-overlap bomb: many directory entries for one stretch of bytes."""
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"x" * 10_000)
        first = archive.infolist()[0]
        for number in range(50):
            entry = zipfile.ZipInfo(f"a/{number}")
            for field in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(entry, field, getattr(first, field))
            archive.filelist.append(entry)
            archive.NameToInfo[entry.filename] = entry
        archive._didModify = True
    refused(path)


@pytest.mark.parametrize("value", [0x00, 0x10, 0x7F, 0xFF])
def test_a_damaged_directory_is_refused_or_changes_nothing(tmp_path, value):
    """Whatever zipfile raises. An entry marked as a folder makes torch hand out raw memory."""
    path = torch_saved(tmp_path / "x.pt", {"w": torch.ones(10)})
    good = path.read_bytes()
    for place in range(good.index(b"PK\x01\x02"), len(good)):
        path.write_bytes(good[:place] + bytes([value]) + good[place + 1 :])
        try:
            found = load(path)
        except InputError:
            continue
        assert torch.equal(found.state["w"], torch.ones(10))  # a date, an attribute: no matter


def test_another_zip_is_no_checkpoint(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "not one of torch.save" in refused(tmp_path / "x.pt").cause


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_else_nor_load_other_weights(tmp_path_factory, data):
    """Whatever is altered: the file is refused, or (zip and safetensors headers) still the same."""
    kind = data.draw(st.sampled_from(["zip", "legacy", "safetensors"]))
    path = tmp_path_factory.mktemp("damaged") / "x.pt"
    save_file(STATE, path) if kind == "safetensors" else torch_saved(path, STATE, kind == "legacy")
    good = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(good)
    try:
        found = load(path)
    except InputError as error:
        assert "weights_only" not in error.cause + error.remedy
    else:
        assert all(isinstance(value, torch.Tensor) for value in found.state.values())
        if kind == "zip":  # every byte of its members is under a checksum
            assert {k: v for k, v in STATE.items() if k in found.state} and same(found.state)
