"""Checkpoints made to do harm. Promise 1: none runs code, takes memory without bound or sets an attribute
that is read. Promise 2: none is read without an end."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hostile.pickles import (
    BUILD,
    DICT,
    LIST,
    MARK,
    NONE,
    bare,
    called,
    legacy,
    name,
    ordered,
    several,
    storage,
    table,
    tensor,
    value,
    zipped,
)
from reportgen.errors import InputError
from reportgen.inputs.checkpoints import rehearsal
from reportgen.inputs.checkpoints.reading import load
from reportgen.inputs.models.subject import fill
from reportgen.inputs.programs.loading import kind_of, load_program

CANARY = "canary"  # the path that a call would make, in the working folder
# what is called, and with what
CALLS: list[tuple[str, str, tuple[object, ...]]] = [
    ("os", "system", (f"touch {CANARY}",)),
    ("posix", "system", (f"touch {CANARY}",)),
    ("nt", "system", (f"touch {CANARY}",)),
    ("os", "mkdir", (CANARY,)),
    ("os", "execvp", ("touch", CANARY)),
    ("subprocess", "Popen", (f"touch {CANARY}",)),
    ("subprocess", "check_output", (f"touch {CANARY}",)),
    ("builtins", "eval", (f"open('{CANARY}', 'w')",)),
    ("builtins", "exec", (f"open('{CANARY}', 'w')",)),
    ("builtins", "open", (CANARY, "w")),
    ("builtins", "getattr", ("x", "upper")),
    ("builtins", "__import__", ("antigravity",)),
    ("builtins", "print", ("x",)),
    ("__builtin__", "eval", (f"open('{CANARY}', 'w')",)),
    ("io", "open", (CANARY, "w")),
    ("pathlib", "Path.touch", (CANARY,)),
    ("importlib", "import_module", ("antigravity",)),
    ("runpy", "run_path", (CANARY,)),
    ("webbrowser", "open", ("http://127.0.0.1:9/",)),
    ("urllib.request", "urlopen", ("http://127.0.0.1:9/",)),
    ("socket", "create_connection", ("127.0.0.1", 9)),
    ("shutil", "copyfile", ("/etc/hostname", CANARY)),
    ("pickle", "loads", ("x",)),
    ("torch", "load", (CANARY,)),
    ("torch", "save", ("x", CANARY)),
    ("torch.serialization", "load", (CANARY,)),
    ("torch.hub", "load", (CANARY, "x")),
    ("torch.jit", "load", (CANARY,)),
    ("torch.ops", "load_library", (CANARY,)),
    ("torch.nn", "Module.load_state_dict", ("x",)),
    ("torch.nn.functional", "os.system", (f"touch {CANARY}",)),
    ("torchvision.io", "write_file", (CANARY, "x")),
    ("torchvision.datasets.utils", "download_url", ("http://127.0.0.1:9/", CANARY)),
    ("timm.models", "load_checkpoint", ("x", CANARY)),
    ("numpy", "fromfile", (CANARY,)),
    ("numpy", "savetxt", (CANARY, "x")),
    ("numpy.lib.npyio", "save", (CANARY, "x")),
    ("numpy.f2py.diagnose", "run", ()),
    ("functools", "partial", ("x",)),
    ("operator", "attrgetter", ("system",)),
    ("ctypes", "CDLL", (CANARY,)),
    ("types", "FunctionType", ("x",)),
    ("pty", "spawn", (f"touch {CANARY}",)),
    ("logging.config", "listen", (9,)),
    ("omegaconf", "OmegaConf.save", ("x", CANARY)),
    ("lightning.pytorch.core.saving", "save_hparams_to_yaml", (CANARY, "x")),
    ("reportgen.evidence.files", "write_whole", (CANARY, "x")),
]
ONE = tensor((4, 4), (4, 1), storage(16))
W = value("w")
BIG = 1_900_000_000


def attributes(state: bytes) -> bytes:
    """An OrderedDict with a tensor, on which a file sets attributes."""
    return ordered((W, ONE)) + state + BUILD


def parameter(state: bytes) -> bytes:
    """A parameter on which a file sets attributes."""
    made = name("torch._utils", "_rebuild_parameter_with_state")
    return called(made, ONE, value(True), called(name("collections", "OrderedDict")), state)


def deep(levels: int) -> bytes:
    """Lists in one another."""
    return LIST * levels + b"a" * (levels - 1)


def laughs(levels: int) -> bytes:
    """A list of twice the list before, so many times: two to that power where one walks it all."""
    begun = (LIST + MARK) * levels + LIST + b"q\x00"
    return begun + b"".join(b"h" + bytes([n]) + b"eq" + bytes([n + 1]) for n in range(levels))


def crossed(count: int) -> bytes:
    """A table of tables, all the same one, which is as large."""
    inner = table(*((value(f"k{n}"), value(n)) for n in range(count))) + b"q\x01"
    return table(*((value(f"t{n}"), inner if n == 0 else b"h\x01") for n in range(count)))


TORCH: dict[str, bytes] = {
    "two bytearrays of 1.9 GB": LIST + MARK + called(name("builtins", "bytearray"), value(BIG)) * 2 + b"e",
    "a hundred bytearrays of 40 MB": LIST
    + MARK
    + called(name("builtins", "bytearray"), value(40_000_000)) * 100
    + b"e",
    "a storage of 4 GB": called(name("torch.storage", "UntypedStorage"), value(4_000_000_000)),
    "a tensor of 8 GB": called(name("torch", "FloatTensor"), value(2_000_000_000)),
    "a tensor that repeats one value": table((W, tensor((10**12,), (0,), storage(16)))),
    "a thousand that repeat one": table(
        *((value(f"w{n}"), tensor((10**6,), (0,), storage(16))) for n in range(1000))
    ),
    "a tensor beyond its storage": table((W, tensor((10**9,), (1,), storage(16)))),
    "a negative size": table((W, tensor((-4, 4), (4, 1), storage(16)))),
    "a storage that says it is larger": table((W, tensor((4, 4), (4, 1), storage(10**12)))),
    "a storage that is not there": table((W, tensor((4, 4), (4, 1), storage(16, "../../x")))),
    "a set that never ends": called(name("builtins", "set"), LIST),
    "items is a number": attributes(table((value("items"), value(7)))),
    "keys, values, get and copy are numbers": attributes(
        table(*((value(word), value(7)) for word in ("keys", "values", "get", "copy", "__iter__", "__len__")))
    ),
    "_metadata is a number": attributes(table((value("_metadata"), value(7)))),
    "_metadata has other things": attributes(
        table((value("_metadata"), table((value(""), value(3)), (value(7), value(8)))))
    ),
    "a version is a text": attributes(
        table((value("_metadata"), table((value(""), table((value("version"), value("two")))))))
    ),
    "numel is a text": table(
        (W, parameter(table((value("numel"), value("x")), (value("detach"), value(1)))))
    ),
    "shape, dtype and data are texts": table(
        (W, parameter(table(*((value(word), value("x")) for word in ("shape", "dtype", "data", "ndim")))))
    ),
    "__class__ is a text": attributes(table((value("__class__"), value("x")))),
    "__dict__ is a number": attributes(table((value("__dict__"), value(7)))),
    "a list in itself": LIST + b"q\x00h\x00a",
    "a table in itself": DICT + b"q\x00" + value("state_dict") + b"h\x00s",
    "lists nested 20,000 deep": deep(20_000),
    "class names nested 5,000 deep": table((W, ONE), (value("classes"), deep(5000))),
    "two to the hundredth": laughs(100),
    "class names of two to the hundredth": table(
        (value("classes"), laughs(100)), (value("state_dict"), table((W, ONE)))
    ),
    "a table of 3,000 tables of 3,000": crossed(3000),
    "a key of a million letters": table((value("w" * 1_000_000), ONE)),
    "keys of control characters": table((value("w\x1b[2J\x07\u202e"), ONE), (value("\ud800"), ONE)),
    "a class in place of a value": table((W, name("torch", "Tensor")), (value("v"), ONE)),
    "a name of a name": called(called(name("builtins", "set"))),
    "nothing": NONE,
    "memo that is not there": b"h\x63",
    "a counter of tensors": called(name("collections", "Counter"), table((W, ONE))),
    "a namespace that holds itself": name("argparse", "Namespace")
    + b")\x81q\x00"
    + table((W, b"h\x00"))
    + BUILD,
    "a stand-in with a state in itself": name("pathlib", "X") + b")\x81q\x00h\x00" + BUILD,
    "sparse of a huge size": called(
        name("torch._utils", "_rebuild_sparse_tensor"),
        called(name("torch.serialization", "_get_layout"), value("torch.sparse_coo")),
        several(ONE, ONE, called(name("torch", "Size"), several(value(10**12), value(10**6)))),
    ),
    "without values, of a huge size": table(
        (
            W,
            called(
                name("torch._utils", "_rebuild_meta_tensor_no_storage"),
                name("torch", "float32"),
                several(value(10**9), value(10**6)),
                several(value(1), value(1)),
                value(False),
            ),
        )
    ),
}


def safetensors(header: object, data: bytes = b"\0" * 64) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def told(shape: list[int], ends: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": ends}}


def archive(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as written:
        for member, data in members.items():
            written.writestr(member, data)
    return made.getvalue()


def npy(array: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.save(made, array, allow_pickle=True)
    return made.getvalue()


def npy_says(shape: str, kind: str = "<f4") -> bytes:
    """An array's file whose head says what the rest does not hold."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


FORWARD = b"class M(Module):\n  def forward(self, x):\n"
ENDLESS = FORWARD + b"    while True:\n      x = 1\n    return x\n"
SAVING = FORWARD + b"    return torch.save(x, 'canary')\n"
OTHER: dict[str, bytes] = {
    "an empty file": b"",
    **{f"the byte {number}": bytes([number]) for number in (0x08, 0x80, 0x50, 0x1F)},
    "zeros": bytes(5000),
    "a header longer than the file": struct.pack("<Q", 1 << 26) + b"{}",
    "a header of the largest length": struct.pack("<Q", (1 << 64) - 1) + b"{}",
    "offsets beyond the file": safetensors(told([10**9], [0, 4 * 10**9])),
    "offsets backwards": safetensors(told([4], [16, 0])),
    "sizes that overflow": safetensors(told([1 << 62, 8], [0, 64])),
    "a negative size in safetensors": safetensors(told([-1], [0, 4])),
    "an unknown dtype": safetensors(told([4], [0, 16], "F99")),
    "a hole between tensors": safetensors({**told([4], [0, 16]), "v": told([4], [48, 64])["w"]}),
    "brackets 100,000 deep": safetensors(b"{" + b'"a":[' * 100_000),
    "a header of one key twice": safetensors(
        b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    ),
    "an array of objects": archive({"w.npy": npy(np.array([{}, []], dtype=object))}),
    "an array larger than its file": archive({"w.npy": npy_says("(1000000000,)")}),
    "an array of a negative size": archive({"w.npy": npy_says("(-5,)")}),
    "an array's head that is code": archive({"w.npy": npy_says("__import__('os').mkdir('x')")}),
    "zeros that unpack to a gigabyte": archive(
        {"w.npy": npy_says("(250000000,)") + bytes(1_000_000_000 // 20)}, zipfile.ZIP_DEFLATED
    ),
    "a zip of nothing": archive({}),
    "a zip that climbs": archive({"../../x/data.pkl": bare(table((W, ONE)))}),
    "data.pkl as a folder": archive({"x/data.pkl/": b""}),
    "a pickle in a pickle's place of no end": archive(
        {"x/data.pkl": b"\x80\x02" + b"]q\x00" * 1000, "x/version": b"3\n"}
    ),
    "a script that says it never ends": archive(
        {
            "x/data.pkl": bare(name("__torch__", "M") + b")\x81" + DICT + BUILD),
            "x/constants.pkl": bare(b")"),
            "x/version": b"3\n",
            "x/code/__torch__.py": ENDLESS,
        }
    ),
    "a script of a call that opens files": archive(
        {
            "x/data.pkl": bare(name("__torch__", "M") + b")\x81" + DICT + BUILD),
            "x/constants.pkl": bare(b")"),
            "x/code/__torch__.py": SAVING,
        }
    ),
    "an onnx file of nothing": b"\x08\x07\x12\x00\x3a\x00",
    "an onnx file that claims more": b"\x08\x07\x3a\xff\xff\xff\xff\x07",
}


def cases() -> dict[str, bytes]:
    """Every file by what it is."""
    found: dict[str, bytes] = {}
    for module, attribute, arguments in CALLS:
        body = table((W, ONE), (value("e"), called(name(module, attribute), *map(value, arguments))))
        found[f"{module}.{attribute}, zip"] = zipped(body)
        found[f"{module}.{attribute}, legacy"] = legacy(body)
    for what, body in TORCH.items():
        found[f"{what}, zip"] = zipped(body)
        found[f"{what}, legacy"] = legacy(body)
    return found | OTHER


CASES = cases()


def outcome(path: Path) -> dict[str, torch.Tensor] | InputError:
    """What the door gives: weights, or a refusal in our own words."""
    try:
        if kind := kind_of(path):
            load_program(path, kind)
            return {}
        return dict(load(path).state)
    except InputError as error:
        return error


@pytest.mark.parametrize("case", CASES)
def test_promise_1_a_file_does_nothing(
    case: str, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "stranger.pt"
    file.write_bytes(CASES[case])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearsal, "SPARE_SECONDS", 3)  # of twenty: what has no end is not waited for
    monkeypatch.setattr("reportgen.inputs.programs.script.MOST_STEPS", 20_000)
    found = outcome(file)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken < 700_000, f"{taken} KiB"  # what a child may take, twice
    assert [p.name for p in tmp_path.iterdir()] == ["stranger.pt"]
    if isinstance(found, InputError):
        assert found.exit_code == 3 and found.remedy
        assert "\n" not in found.cause + found.remedy
        return
    for key, one in found.items():
        assert type(key) is str and type(one) is torch.Tensor and not vars(one)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert {type(outcome) for outcome in CASES.values()} == {bytes}


def test_promise_1_the_attack_of_298_bytes_takes_no_memory(tmp_path: Path) -> None:
    """The child may take 256 MiB; what it takes is not the parent's."""
    file = tmp_path / "small.pt"
    file.write_bytes(CASES["two bytearrays of 1.9 GB, legacy"])
    with pytest.raises(InputError, match=r"asks for more than \d+ MB"):
        load(file)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3_000_000


@pytest.mark.parametrize(
    "case", ["items is a number", "numel is a text", "_metadata is a number", "a version is a text"]
)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_promise_1_what_a_file_sets_is_dropped_and_its_weights_are_read(
    case: str, form: str, tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    make: Callable[..., bytes] = zipped if form == "zip" else legacy
    stored = storage(16, legacy=form == "legacy")
    body = TORCH[case].replace(storage(16), stored)
    file.write_bytes(make(body) if form == "zip" else legacy(body, ("0",)))
    network = nn.Module()
    network.w = nn.Parameter(torch.zeros(4, 4))
    fill(network, load(file), "net.py:Net")
    assert torch.equal(network.w.detach(), torch.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize(
    "place", ["/dev/zero", "/dev/urandom", "/proc/self/mem", "/proc/kmsg", "pipe", "folder", "loop", "absent"]
)
def test_promise_2_what_is_no_file_is_refused_at_once(place: str, tmp_path: Path) -> None:
    path = Path(place) if place.startswith("/") else tmp_path / "net.pt"
    if place == "pipe":
        os.mkfifo(path)
    elif place == "folder":
        path.mkdir()
    elif place == "loop":
        path.symlink_to(path)
    found = outcome(path)
    assert isinstance(found, InputError) and found.exit_code == 3
