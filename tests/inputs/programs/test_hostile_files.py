"""Files made to do harm: whatever they name, nothing of it is run, and no file is opened but theirs."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import warnings
import zipfile

import pytest
import torch
from torch import nn

from reportgen.errors import InputError
from reportgen.inputs.programs.operators import ALLOWED
from reportgen.inputs.programs.records import Reader

X = torch.randn(2, 3, 40, 40)


class Evil:
    """Makes a folder named `ran` where it is unpickled by pickle."""

    def __init__(self, place) -> None:
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.fixture
def ran(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


def rewritten(path, folder, change):
    """A copy of an archive, each member as `change(name, data)` gives it; a name in `more` is added."""
    made = folder / f"hostile{path.suffix}"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made


def graph_changed(path, folder, change):
    """A copy of a .pt2 file whose JSON graph `change` has altered."""

    def member(name, data):
        if "/models/" not in name:
            return data
        whole = json.loads(data)
        change(whole)
        return json.dumps(whole).encode()

    return rewritten(path, folder, member)


def refused(subject, path, ran, *words):
    with pytest.raises(InputError) as caught:
        subject(path)
    assert not ran.exists()
    assert "\n" not in caught.value.cause + caught.value.remedy
    for word in words:
        assert word in caught.value.cause
    return caught.value


# -- torch.export -------------------------------------------------------------------------------------


def test_an_expression_is_not_evaluated(file, tmp_path, ran, subject, network):
    evil = f"__import__('os').mkdir({str(ran)!r})"

    def change(whole):
        sizes = whole["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
        sizes[0] = {"as_expr": {"expr_str": evil, "hint": {"as_int": 1}}}
        whole["range_constraints"] = {evil: {"min_val": 0, "max_val": 9}}
        whole["guards_code"] = [evil]

    made = graph_changed(file("pt2"), tmp_path, change)
    assert torch.allclose(subject(made).network(X), network(X), atol=1e-4)
    assert not ran.exists()
    with warnings.catch_warnings():  # the attack is a real one: torch's own loader falls for it
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            torch.export.load(made)
    assert ran.exists()


def test_a_pickle_that_is_not_needed_is_not_read(file, tmp_path, ran, subject, network):
    evil = pickle.dumps(Evil(ran))
    made = rewritten(file("pt2"), tmp_path, lambda name, data: evil if "sample_inputs" in name else data)
    assert torch.allclose(subject(made).network(X), network(X), atol=1e-4)
    assert not ran.exists()


@pytest.mark.parametrize("tensor", [True, False])
def test_a_pickled_weight_calls_nothing(tensor, file, tmp_path, ran, subject):
    """Also one that says it is an object of a class of its own."""

    def member(name, data):
        if name.endswith("weight_0"):
            return pickle.dumps(Evil(ran))
        if name.endswith("model_weights_config.json"):
            config = json.loads(data)
            config["config"]["conv1.weight"]["use_pickle"] = True
            if not tensor:
                config["config"]["conv1.weight"]["tensor_meta"] = None
            return json.dumps(config).encode()
        return data

    refused(subject, rewritten(file("pt2"), tmp_path, member), ran)


@pytest.mark.parametrize(
    "target",
    [
        *(
            "os.mkdir",
            "builtins.eval",
            "_operator.attrgetter",
            "_operator.methodcaller",
            "torch.load",
            "torch.save",
        ),
        *(
            "torch.ops.aten.from_file.default",
            "torch.ops.aten.__class__.mro",
            "torch.ops.aten.conv2d.__call__",
        ),
        *(
            "torch.ops.load_library",
            "torch.ops.higher_order.cond",
            "torch.hub.load",
            "math.__loader__",
            "torch.sym_x",
        ),
        "torch.ops.aten.conv2d.default\nimport os",
    ],
)
def test_a_call_of_anything_else_is_refused(target, file, tmp_path, ran, subject):
    def change(whole):
        whole["graph_module"]["graph"]["nodes"][0]["target"] = target

    refused(subject, graph_changed(file("pt2"), tmp_path, change), ran, "does not run from a file")


@pytest.mark.parametrize(
    "name", ['a"', "a\nimport os", "a'); __import__('os')", "__class__", "forward", "_modules", ""]
)
def test_a_name_that_no_module_has_is_refused(name, file, tmp_path, ran, subject):
    def change(whole):
        node = whole["graph_module"]["graph"]["nodes"][0]
        node["metadata"]["nn_module_stack"] = f"k,{name}.b,torch.nn.Conv2d"

    refused(subject, graph_changed(file("pt2"), tmp_path, change), ran)


def test_the_name_of_a_value_is_only_a_name(file, tmp_path, ran, subject, network):
    """Torch makes source code of it."""

    def member(name, data):
        return data.replace(b'"linear"', json.dumps(f"y; __import__('os').mkdir({str(ran)!r})").encode())

    made = rewritten(file("pt2"), tmp_path, member)
    assert torch.allclose(subject(made).network(X), network(X), atol=1e-4)
    assert not ran.exists()


@pytest.mark.parametrize("meta", [{"sizes": [{"as_int": 10**9}]}, {"storage_offset": {"as_int": 10**6}}])
def test_a_weight_beyond_its_bytes_is_refused(meta, file, tmp_path, ran, subject):
    def member(name, data):
        if name.endswith("model_weights_config.json"):
            config = json.loads(data)
            config["config"]["fc.bias"]["tensor_meta"].update(meta)
            return json.dumps(config).encode()
        return data

    refused(subject, rewritten(file("pt2"), tmp_path, member), ran)


# -- TorchScript --------------------------------------------------------------------------------------


class Saves(nn.Module):
    def forward(self, x):
        torch.save(x, "ran")
        return x.mean((2, 3))


class Loads(nn.Module):
    """Saves a file where it is loaded: torch.jit.load runs __setstate__."""

    def __init__(self) -> None:
        super().__init__()
        self.training = False

    def forward(self, x):
        return x.mean((2, 3))

    @torch.jit.export
    def __getstate__(self):
        return (torch.ones(1), self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        torch.save(state[0], "ran")
        self.training = state[1]


def scripted(module, folder):
    path = folder / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(path)
    return path


@pytest.mark.parametrize("module", [Saves, Loads])
def test_a_script_that_saves_a_file_is_refused(module, tmp_path, ran, subject):
    path = scripted(module(), tmp_path)
    refused(subject, path, ran, "torch.save", "does not run from a file")
    with warnings.catch_warnings():  # the attack is a real one
        warnings.simplefilter("ignore")
        torch.jit.load(path)(X)
    assert ran.exists()


def text_changed(path, folder, new):
    """A copy of a traced archive in whose own forward `new` stands before it returns."""

    def member(name, data):
        if b"class Residual(" not in data or not name.endswith(".py"):
            return data
        before, found, after = data.partition(b"class Residual(")
        changed = after.replace(b"    return ", f"    {new}\n    return ".encode(), 1)
        assert changed != after
        return before + found + changed

    return rewritten(path, folder, member)


@pytest.mark.parametrize(
    "text",
    [
        *(
            '__import__("os").mkdir("ran")',
            "x.__class__.__mro__",
            'getattr(self, "__class__")',
            "(lambda: 1)()",
        ),
        *(
            'eval("1")',
            'open("ran", "w")',
            "().__class__.__bases__",
            "[y for y in [1]]",
            'f"{x.__class__}"',
            "x[0]",
        ),
        *(
            'torch.save(x, "ran")',
            "torch.from_file()",
            "ops.prim.PythonOp(x)",
            "ops.other.thing(x)",
            "x.numpy()",
        ),
        *(
            "__torch__.torch.classes.a.B()",
            "torch.load(x)",
            "torch.ops.aten",
            "self._interpreter",
            "getattr(x, 'data')",
        ),
        "self.__class__",
    ],
)
def test_text_that_is_not_torchscripts_is_not_run(text, file, tmp_path, ran, subject):
    with pytest.raises((InputError, RuntimeError)):
        found = subject(text_changed(file("traced"), tmp_path, f"y = {text}"))
        found.network(X)
    assert not ran.exists()


def test_a_loop_without_an_end_is_stopped(file, tmp_path, ran, subject, monkeypatch):
    monkeypatch.setattr("reportgen.inputs.programs.script.MOST_STEPS", 10_000)

    found = subject(text_changed(file("traced"), tmp_path, "while True:\n      pass"))
    with pytest.raises(RuntimeError, match="end"):
        found.network(X)


def test_a_pickle_that_calls_is_refused(file, tmp_path, ran, subject):
    evil = pickle.dumps(Evil(ran), 2)
    made = rewritten(
        file("traced"), tmp_path, lambda name, data: evil if name.endswith("/data.pkl") else data
    )
    refused(subject, made, ran, "posix.mkdir" if os.name == "posix" else "mkdir")
    made = rewritten(
        file("traced"), tmp_path, lambda name, data: evil if name.endswith("constants.pkl") else data
    )
    refused(subject, made, ran)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_protocol_of_pickle_calls(protocol, ran):
    with pytest.raises(InputError):
        Reader("x", None).read(pickle.dumps(Evil(ran), protocol))
    assert not ran.exists()


def test_an_object_of_another_librarys_class_is_refused(file, tmp_path, ran, subject):
    def member(name, data):
        return re.sub(rb"c__torch__[^\n]*\nResidual\n", rb"c__torch__.torch.classes.a\nResidual\n", data)

    refused(subject, rewritten(file("traced"), tmp_path, member), ran)


# -- ONNX ---------------------------------------------------------------------------------------------


def altered(path, folder, change):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    change(model, onnx)
    made = folder / "hostile.onnx"
    made.write_bytes(model.SerializeToString())
    return made


@pytest.mark.parametrize("place", ["../secret", "/etc/hostname", "link"])
def test_weights_are_read_from_its_own_folder_alone(place, file, tmp_path, ran, subject):
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")

    def change(model, onnx):
        first = model.graph.initializer[0]
        first.ClearField("raw_data")
        first.data_location = 1
        first.external_data.add(key="location", value=place)

    refused(subject, altered(file("onnx"), tmp_path / "in", change), ran, "not in its folder")


@pytest.mark.parametrize(("domain", "operator"), [("com.microsoft", "Conv"), ("", "If"), ("", "StringSplit")])
def test_another_operator_is_refused(domain, operator, file, tmp_path, ran, subject):
    def change(model, onnx):
        model.graph.node[0].domain, model.graph.node[0].op_type = domain, operator

    refused(subject, altered(file("onnx"), tmp_path, change), ran, operator)


def test_names_of_nodes_are_made_names_of_modules(file, tmp_path, ran, subject, network):
    def change(model, onnx):
        for n, node in enumerate(model.graph.node):
            node.name = ["", "a\nb", "forward", "__class__", 'x"y', "_modules"][n % 6]

    found = subject(altered(file("onnx"), tmp_path, change))
    assert torch.allclose(found.network(X), network(X), atol=1e-4)
    assert all(
        name.replace(".", "").replace("_", "a").isalnum() for name, _ in found.network.named_modules() if name
    )


# -- all ----------------------------------------------------------------------------------------------


def test_no_allowed_operator_takes_a_file_or_a_storage():
    for name in ALLOWED:
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            schema = getattr(packet, overload)._schema
            kinds = {str(argument.type) for argument in schema.arguments}
            text = {x.name for x in schema.arguments if str(x.type) == "str"}
            assert "Storage" not in kinds and not text & {"filename", "file", "path"}, name


@pytest.mark.parametrize("kind", ["pt2", "traced", "onnx"])
def test_a_damaged_file_is_a_message(kind, file, tmp_path, ran, subject):
    whole = file(kind).read_bytes()
    path = tmp_path / file(kind).name
    for at in range(200, len(whole), len(whole) // 12):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            subject(path)
        except InputError as error:
            assert "\n" not in error.cause + error.remedy
        except Exception as error:  # with the directory of the zip file gone it is no program any more
            assert type(error).__name__ == "RecipeError"
