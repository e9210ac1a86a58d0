"""Checkpoints as people have them: whose weights are taken, what is renamed or left out, and what is said."""

from __future__ import annotations

import datetime
import enum
import functools
import json
import pathlib
import pickle
import re
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune

from reportgen.errors import InputError
from reportgen.inputs.checkpoints import keys, pickled
from reportgen.inputs.checkpoints.reading import load
from reportgen.inputs.checkpoints.shards import hash_at
from reportgen.inputs.models.subject import load_subject

NET = """
from collections import OrderedDict
from torch import nn

def make(deep=1):
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(3, 6, 3), bn=nn.BatchNorm2d(6), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(), **{f"mix{n}": nn.Linear(6, 6) for n in range(1, deep)}, fc=nn.Linear(6, 4)))

def held():
    outer = nn.Module()
    outer.inner = make()
    outer.forward = lambda x: outer.inner(x)
    return outer
"""


def network(deep: int = 1, seed: int = 1) -> nn.Module:
    space: dict = {}
    exec(NET, space)
    torch.manual_seed(seed)
    made = space["make"](deep)
    made.bn.running_mean.uniform_()
    return made.eval()


STATE = dict(network().state_dict())
OTHER = dict(network(seed=2).state_dict())


def subject(folder: Path, content: object, weights: str | None = None, source: str = "net.py:make", **more):
    (folder / "net.py").write_text(NET)
    path = content if isinstance(content, Path) else folder / "c.pt"
    if path is not content:
        torch.save(content, path)
    model = SimpleNamespace(
        source=source, arguments=more, classes=None, preprocessing="auto", weights=weights, signed_by=None
    )
    images = SimpleNamespace(at_most_megapixels=None)
    recipe = SimpleNamespace(model=model, folder=folder, images=images, allowed_code=None)
    return load_subject(recipe, path)


def holds(found, state=STATE) -> bool:
    own = found.network.state_dict()
    own = {key.removeprefix("inner."): value for key, value in own.items()}
    return own.keys() == state.keys() and all(
        torch.equal(own[k].double(), v.double()) for k, v in state.items()
    )


def followed(remedy: str) -> dict:
    """What the remedy says to set in the recipe's `model`, read as a recipe is."""
    inner = re.search(r"model: (\{.*\})", remedy)
    assert inner, remedy
    return yaml.safe_load(inner[1])


def refused(folder: Path, content: object, **more) -> InputError:
    with pytest.raises(InputError) as caught:
        subject(folder, content, **more)
    assert "\n" not in caught.value.cause + caught.value.remedy
    return caught.value


# -- which table is the weights -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["model_state_dict", "state_dict_ema", "ema_state_dict", "weights", "params", "network", "my_net"]
)
def test_weights_under_any_usual_key(tmp_path, key):
    optimizer = torch.optim.SGD(network().parameters(), 0.1, momentum=0.9)
    found = subject(tmp_path, {"epoch": 3, key: STATE, "optimizer_state_dict": optimizer.state_dict()})
    assert holds(found) and found.checkpoint.wrapped_in == key
    assert any("averaged" in note for note in found.notes) is ("ema" in key)


@pytest.mark.parametrize(
    "ema", ["model_ema", "state_dict_ema", "ema", "params_ema", "swa_model", "avg_model", "shadow", "polyak"]
)
@pytest.mark.parametrize("plain", ["state_dict", "model", "params"])
def test_averaged_weights_beside_the_last_ones_are_said_and_can_be_chosen(tmp_path, plain, ema):
    content = {ema: OTHER, plain: STATE}
    found = subject(tmp_path, content)
    assert holds(found)
    assert any(f"'{ema}' are not" in note and "averaged" in note for note in found.notes)
    assert holds(subject(tmp_path, content, weights=ema), OTHER)


def test_an_average_without_names_is_said(tmp_path):
    shadow = {"decay": 0.99, "num_updates": 4, "shadow_params": list(network(seed=2).parameters())}
    found = subject(tmp_path, {"model": STATE, "ema": shadow})
    assert holds(found)
    assert "Averaged weights under 'ema.shadow_params' are a list without names" in " ".join(found.notes)
    momentum = {"state": list(network(seed=2).parameters())}
    assert "Averaged" not in " ".join(subject(tmp_path, {"model": STATE, "optimizer": momentum}).notes)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("wrapped", [lambda state: state, lambda state: {"model": state, "author": "x"}])
def test_numpy_arrays_by_name_are_weights(tmp_path, order, wrapped):
    """As tools write that convert weights of other frameworks; F is what a transposed kernel is saved as."""
    arrays = {key: np.array(value.numpy(), order=order) for key, value in STATE.items()}
    arrays["conv.bias"] = arrays["conv.bias"].astype(">f8")
    assert holds(subject(tmp_path, wrapped(arrays)))


def test_an_array_that_its_bytes_do_not_fill_is_no_weight():
    array = pickled.NumpyArray()
    kind = pickled.NumpyType("f4")
    array.state = (1, (2, 3), kind, False, bytes(24))
    assert torch.equal(array.tensor(), torch.zeros(2, 3))
    array.state = (1, (2, 4), kind, False, bytes(24))
    assert array.tensor() is None
    array.state = (1, (2, 3), pickled.NumpyType("c8"), False, bytes(48))
    assert array.tensor() is None


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_pythons_own_is_not_called_damaged(tmp_path, protocol):
    path = tmp_path / "c.pkl"
    path.write_bytes(pickle.dumps({key: value.numpy() for key, value in STATE.items()}, protocol))
    error = refused(tmp_path, path)
    assert "a pickle of Python's own" in error.cause and "save its arrays as tensors" in error.remedy
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged" in refused(tmp_path, path).cause


def test_two_networks_are_not_chosen_between_and_the_remedy_works(tmp_path):
    error = refused(tmp_path, {"teacher": OTHER, "pupil": STATE})
    assert "2 sets of weights: 'teacher', 'pupil'" in error.cause
    assert "model: {weights: teacher}" in error.remedy
    assert holds(subject(tmp_path, {"teacher": OTHER, "pupil": STATE}, weights="teacher"), OTHER)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"fold_0": STATE, "fold_1": OTHER}, "'fold_0', 'fold_1'"),
        ({0: STATE, 1: OTHER}, "'0', '1'"),
        ([STATE, OTHER], "'0', '1'"),
        ({"models": [STATE, OTHER], "score": 0.9}, "'models.0', 'models.1'"),
        ({"best_model": {"state_dict": STATE}, "last": OTHER}, None),  # one is under a known key
        ({"G": STATE, "D": {**OTHER, "more.weight": torch.ones(2, 2)}, "E": OTHER}, "'G', 'E'"),
    ],
)
def test_folds_and_several_networks_are_named_and_the_remedy_works(tmp_path, content, named):
    if named is None:
        assert any("'last' are not" in note for note in subject(tmp_path, content).notes)
        return
    error = refused(tmp_path, content)
    assert f"2 sets of weights: {named}" in error.cause
    assert holds(subject(tmp_path, content, **followed(error.remedy)))


@pytest.mark.parametrize(
    "content", [(STATE, 7), [STATE, {"state": {}, "param_groups": []}, 0.9], {"state": (STATE, 4)}]
)
def test_weights_beside_other_things_in_a_list(tmp_path, content):
    assert holds(subject(tmp_path, content))


def test_of_several_networks_the_only_one_that_fits_is_used_and_said(tmp_path):
    content = {
        "decoder": {"up.weight": torch.ones(3, 3)},
        "encoder": {f"module.{k}": v for k, v in STATE.items()},
    }
    found = subject(tmp_path, content)
    assert holds(found) and any("only that under 'encoder' fits" in note for note in found.notes)


@pytest.mark.parametrize(
    "cut",
    [
        lambda head: {"encoder": {k: v for k, v in STATE.items() if k not in head}, "classifier": head},
        lambda head: {
            "backbone": {k: v for k, v in STATE.items() if k not in head},
            "fc": {k.removeprefix("fc."): v for k, v in head.items()},
        },
        lambda head: {f"{'head' if k in head else 'backbone'}.{k}": v for k, v in STATE.items()},
    ],
)
def test_a_network_in_parts_is_put_together_and_said(tmp_path, cut):
    found = subject(tmp_path, cut({k: v for k, v in STATE.items() if k.startswith("fc.")}))
    assert holds(found) and any("part" in note for note in found.notes)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_savez_are_weights(tmp_path, save):
    save(tmp_path / "w.npz", **{key: value.numpy() for key, value in STATE.items()})
    assert holds(subject(tmp_path, tmp_path / "w.npz"))


def test_other_archives_of_numpy_are_refused_in_words(tmp_path):
    np.savez(tmp_path / "o.npz", a=np.array([{}], dtype=object))
    assert "objects of Python" in refused(tmp_path, tmp_path / "o.npz").cause
    np.savez(tmp_path / "t.npz", a=np.array(["x"]))
    assert "no weights" in refused(tmp_path, tmp_path / "t.npz").cause
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(10_000_000))
    assert "times its size" in refused(tmp_path, tmp_path / "b.npz").cause
    data = (tmp_path / "t.npz").read_bytes().replace(b"NUMPY", b"NUMPX", 1)
    (tmp_path / "d.npz").write_bytes(data)
    assert "damaged" in refused(tmp_path, tmp_path / "d.npz").cause


def test_another_protocol_is_not_called_damaged(tmp_path):
    torch.save(STATE, tmp_path / "c.pt", pickle_protocol=4)
    error = refused(tmp_path, tmp_path / "c.pt")
    assert "pickle_protocol=4" in error.cause and "no protocol named" in error.remedy


def test_pruned_weights_are_the_product_of_their_two_parts(tmp_path):
    pruned = network()
    for part in (pruned.conv, pruned.fc):
        prune.l1_unstructured(part, "weight", 0.5)
    found = subject(tmp_path, pruned.state_dict())
    for part in (pruned.conv, pruned.fc):
        prune.remove(part, "weight")
    assert holds(found, dict(pruned.state_dict())) and any("Pruned" in note for note in found.notes)


def test_averages_that_a_callback_keeps_are_said_and_can_be_chosen(tmp_path):
    content = {
        "state_dict": {f"model.{k}": v for k, v in STATE.items()},
        "callbacks": {"EMA": {"ema_weights": {f"model.{k}": v for k, v in OTHER.items()}}},
    }
    found = subject(tmp_path, content)
    path = "callbacks.EMA.ema_weights"
    assert holds(found) and any(f"'{path}' are not used" in note for note in found.notes)
    assert holds(subject(tmp_path, content, weights=path), OTHER)


def test_lightnings_averaging_keeps_the_average_in_the_usual_place_and_it_is_said(tmp_path):
    content = {"state_dict": STATE, "averaging_state": {"n": 3}, "current_model_state": OTHER}
    found = subject(tmp_path, content)
    assert holds(found) and any("'state_dict' are averaged" in note for note in found.notes)
    assert holds(subject(tmp_path, content, weights="current_model_state"), OTHER)


def test_two_networks_in_one_table_are_not_chosen_between(tmp_path):
    both = {f"a.{k}": v for k, v in STATE.items()} | {f"b.{k}": v for k, v in OTHER.items()}
    error = refused(tmp_path, {"state_dict": both})
    assert "below 'a.', 'b.'" in error.cause and "model: {weights: a.}" in error.remedy
    found = subject(tmp_path, {"state_dict": both}, weights="b.")
    assert holds(found, OTHER) and any("'b.'" in note for note in found.notes)


def test_an_average_in_the_same_table_is_passed_over_and_said(tmp_path):
    both = {f"model.{k}": v for k, v in STATE.items()} | {f"ema_model.{k}": v for k, v in OTHER.items()}
    found = subject(tmp_path, both)
    assert holds(found) and any("'ema_model.' are not used" in note for note in found.notes)


def test_weights_that_are_not_there_are_named_with_what_is(tmp_path):
    error = refused(tmp_path, {"model": STATE, "ema": OTHER}, weights="emma")
    assert "did you mean 'ema'" in error.cause and "model, ema" in error.remedy


# -- what trainers add --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"criterion.weight": torch.ones(4)},
        {"loss_fn.pos_weight": torch.ones(4)},
        {
            "val_acc.tp": torch.zeros(4, dtype=torch.long),
            "val_cm.confmat": torch.zeros(4, 4, dtype=torch.long),
        },
        {"train_metrics.f1.total": torch.zeros(1)},
        {"class_weights": torch.ones(4)},
    ],
)
@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.module.", ""])
def test_losses_and_metrics_are_left_out_and_named(tmp_path, prefix, more):
    found = subject(tmp_path, {"state_dict": {prefix + k: v for k, v in STATE.items()} | more})
    assert holds(found)
    assert any("left out" in note and next(iter(more)) in note for note in found.notes)


def test_what_may_be_a_part_of_another_network_is_never_left_out(tmp_path):
    """A deeper network's file holds all that a shallow one asks for, and more."""
    error = refused(tmp_path, network(deep=2).state_dict())
    assert "mix1.weight" in error.cause
    state = {f"model.{k}": v for k, v in STATE.items()} | {"projector.weight": torch.ones(4, 4)}
    error = refused(tmp_path, state)
    assert "projector.weight" in error.cause or "keys missing" in error.cause
    assert "model.weights: model." in error.remedy
    assert holds(subject(tmp_path, state, weights="model."))


@pytest.mark.parametrize("mark", keys.WRAPPED)
@pytest.mark.parametrize("where", ["{}.conv.weight", "conv.{}.weight", "{}.conv.{}.weight"])
def test_marks_of_wrappers_anywhere_in_a_key(tmp_path, mark, where):
    first = where.startswith("{}")

    def marked(key: str) -> str:
        key = key.replace("conv.", f"conv.{mark}.") if "conv.{}" in where else key
        return f"{mark}.{key}" if first else key

    found = subject(tmp_path, {marked(k): v for k, v in STATE.items()})
    assert holds(found) and any(mark in note for note in found.notes)


def test_a_network_with_a_part_that_is_named_module_keeps_it(tmp_path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\nfrom collections import OrderedDict\ndef make():\n    return nn.Sequential("
        "OrderedDict(module=nn.Conv2d(3, 4, 1), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten()))\n"
    )
    state = {"module.weight": torch.ones(4, 3, 1, 1), "module.bias": torch.zeros(4)}
    assert subject(tmp_path, state, source="own.py:make").network.module.weight.sum() == 12
    again = {f"module.{k}": v for k, v in state.items()}
    assert subject(tmp_path, again, source="own.py:make").network.module.weight.sum() == 12


def test_a_model_that_keeps_the_network_inside(tmp_path):
    found = subject(tmp_path, STATE, source="net.py:held")
    assert holds(found) and any("'inner'" in note for note in found.notes)


# -- kinds of numbers ---------------------------------------------------------------------------------


def test_counters_that_were_saved_as_floats(tmp_path):
    state = {k: v.float() for k, v in STATE.items()} | {"bn.num_batches_tracked": torch.tensor(7.0)}
    found = subject(tmp_path, state)
    assert found.network.bn.num_batches_tracked == 7
    assert found.network.bn.num_batches_tracked.dtype == torch.int64
    assert any("num_batches_tracked" in note for note in found.notes)
    found = subject(
        tmp_path, state | {"bn.num_batches_tracked": torch.tensor(7.5)}
    )  # of two that were averaged
    assert found.network.bn.num_batches_tracked == 8


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bn.num_batches_tracked", torch.tensor(float("nan")), "leave it out"),
        ("fc.bias", torch.ones(4, dtype=torch.int8), "save it as float32"),
    ],
)
def test_what_a_load_would_change_is_refused_with_a_remedy_that_works(tmp_path, key, value, words):
    error = refused(tmp_path, {**STATE, key: value})
    assert key in error.cause and words in error.remedy
    if "leave it out" in words:
        assert subject(tmp_path, {k: v for k, v in STATE.items() if k != key}).network is not None
    else:
        assert subject(tmp_path, {**STATE, key: value.float()}).network.fc.bias.sum() == 4


def test_what_may_be_the_images_normalisation_is_said_with_its_values(tmp_path):
    buffers = {"mean": torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), "std": torch.full((1, 3, 1, 1), 0.25)}
    found = subject(tmp_path, {"state_dict": {f"model.{k}": v for k, v in STATE.items()} | buffers})
    assert any("mean: [0.5, 0.4, 0.3] and std: [0.25, 0.25, 0.25]" in note for note in found.notes)


FLOATS = [
    d
    for d in (getattr(torch, n) for n in dir(torch))
    if isinstance(d, torch.dtype) and d.is_floating_point and d.itemsize and "x2" not in str(d)
]


@pytest.mark.parametrize("kind", FLOATS, ids=str)
def test_every_kind_of_float_that_torch_writes(tmp_path, kind):
    try:
        narrow = {k: v.to(kind) if v.is_floating_point() else v for k, v in STATE.items()}
        back = {k: v.float() for k, v in narrow.items()}
    except (RuntimeError, NotImplementedError):
        pytest.skip(f"torch does not convert to {kind}")
    found = subject(tmp_path, narrow)
    assert holds(found, back)
    assert kind is torch.float32 or any(str(kind).removeprefix("torch.") in note for note in found.notes)


# -- records beside the weights -----------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "record",
    [
        np.float64(0.91),
        np.int64(3),
        np.float32(0.5),
        np.arange(3.0),
        np.array(["a", "b"]),
        np.array([{"a": 1}], dtype=object),
        np.bool_(True),
        np.random.default_rng(0).bit_generator.state["state"]["state"] % 1000,
        pathlib.PurePosixPath("/data"),
        pathlib.PureWindowsPath("C:\\data"),
        datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone.utc),
        datetime.timedelta(seconds=3),
        defaultdict(list, a=[1]),
        frozenset([1, 2]),
        slice(1, 2),
        torch.__version__,
        functools.partial(torch.optim.Adam, lr=1e-3),
        SimpleNamespace(lr=0.1),
        nn.functional.relu,
    ],
    ids=lambda record: type(record).__name__,
)
@pytest.mark.parametrize("legacy", [False, True])
def test_plain_records_beside_the_weights_are_no_hindrance(tmp_path, record, legacy):
    path = tmp_path / "x.pt"
    content = {"state_dict": STATE, "best": record, "hyper_parameters": {"deep": [record]}}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert holds(subject(tmp_path, path))


@pytest.mark.parametrize("record", [nn.CrossEntropyLoss, nn.GELU(), nn.Linear(2, 2)])
def test_classes_and_modules_of_torch_among_the_settings_are_no_hindrance(tmp_path, record):
    content = {"state_dict": STATE, "hyper_parameters": {"loss": record}}
    assert holds(subject(tmp_path, content))


def test_a_plain_number_among_the_weights_is_left_out_and_named(tmp_path):
    found = subject(tmp_path, {**STATE, "best": 0.9, "epoch": np.int64(3)})
    assert holds(found) and any("best, epoch" in note for note in found.notes)


def test_classes_of_the_users_own_code_are_still_refused(tmp_path):
    error = refused(tmp_path, {"state_dict": STATE, "colour": Colour.RED})
    assert "Colour" in error.cause and "state_dict()" in error.remedy


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "functool.f",
        "types.FunctionType",
        "torch.hub.load",
        "torch.utils.f",
        "posix.system",
        "builtins.eval",
        "eval",
        "getattr",
        "numpyx.f",
        "subprocess.Popen",
        "runpy.f",
    ],
)
def test_nothing_that_runs_has_a_stand_in(path):
    assert pickled._stand_in(path) is None


def test_stand_ins_only_keep_what_they_are_handed():
    kept = pickled.Inert("f8", False)
    kept.__setstate__({"__class__": "x"})
    assert kept.arguments == ("f8", False) and kept.state == {"__class__": "x"}
    assert pickled.NumpyType("O").plain is None and pickled.NumpyType("f8").plain == np.float64


# -- class names in the checkpoint --------------------------------------------------------------------

NAMES = ("ash", "beech", "cedar", "date")


@pytest.mark.parametrize(
    "beside",
    [
        {"class_to_idx": {"date": 3, "ash": 0, "cedar": 2, "beech": 1}},
        {"classes": list(NAMES)},
        {"classes": np.array(NAMES)},
        {"classes": list(np.array(NAMES))},
        {"class_to_idx": {name: np.int64(n) for n, name in enumerate(NAMES)}},
        {"class_to_idx": {np.str_(name): torch.tensor(n) for n, name in enumerate(NAMES)}},
        {"idx_to_class": {np.int32(n): name for n, name in enumerate(NAMES)}},
        {"meta": {"idx_to_class": dict(enumerate(NAMES))}},
        {"id2label": {str(n): name for n, name in enumerate(NAMES)}},
        {"hyper_parameters": {"class_names": NAMES, "classes": 4}},
        *({key: list(NAMES)} for key in ("vocab", "target_names", "labelNames", "classes_")),
        *({key: dict(enumerate(NAMES))} for key in ("idx2label", "index_to_class", "label_map")),
    ],
)
def test_class_names_in_the_checkpoint_are_used_and_said(tmp_path, beside):
    found = subject(tmp_path, {"state_dict": STATE, **beside})
    assert found.classes == NAMES and any("Class names" in note for note in found.notes)


def test_class_names_that_differ_are_not_chosen_between(tmp_path):
    beside = {"classes": list(NAMES), "class_names": list(reversed(NAMES))}
    found = subject(tmp_path, {"state_dict": STATE, **beside})
    assert found.classes is None and any("differ" in note for note in found.notes)


# -- several files ------------------------------------------------------------------------------------


def sharded(folder: Path, suffix: str = "safetensors") -> Path:
    folder.mkdir()
    names = [f"model-0000{n}-of-00002.{suffix}" for n in (1, 2)]
    places = {key: names[n % 2] for n, key in enumerate(STATE)}
    for name in names:
        part = {key: STATE[key].contiguous() for key, place in places.items() if place == name}
        save_file(part, folder / name) if suffix == "safetensors" else torch.save(part, folder / name)
    index = folder / f"model.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_by_index_and_by_folder(tmp_path, suffix):
    index = sharded(tmp_path / "hf", suffix)
    (tmp_path / "hf" / "config.json").write_text(json.dumps({"id2label": dict(enumerate(NAMES))}))
    by_index, by_folder = subject(tmp_path, index), subject(tmp_path, tmp_path / "hf")
    assert holds(by_index) and holds(by_folder)
    assert by_index.checkpoint.sha256 == by_folder.checkpoint.sha256
    # what `verify --checkpoint` compares
    assert hash_at(index) == hash_at(tmp_path / "hf") == by_index.checkpoint.sha256
    assert by_folder.classes == NAMES
    assert any("2 shards" in note for note in by_folder.notes)


def test_shards_that_are_not_all_there(tmp_path):
    index = sharded(tmp_path / "hf")
    (tmp_path / "hf" / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors" in refused(tmp_path, index).cause
    index.write_text(json.dumps({"weight_map": {"a": "../../etc/passwd"}}))
    assert "no index of shards" in refused(tmp_path, index).cause


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_without_their_index_are_counted(tmp_path, suffix):
    index = sharded(tmp_path / "hf", suffix)
    digest = load(index).sha256
    index.unlink()
    found = subject(tmp_path, tmp_path / "hf")
    assert holds(found) and found.checkpoint.sha256 == digest == hash_at(tmp_path / "hf")
    (tmp_path / "hf" / f"model-00001-of-00002.{suffix}").unlink()
    said = refused(tmp_path, tmp_path / "hf")
    assert f"1 of 2 shards (model-00001-of-00002.{suffix}" in said.cause


def test_one_shard_is_not_the_checkpoint(tmp_path):
    index = sharded(tmp_path / "hf")
    said = refused(tmp_path, index.parent / "model-00001-of-00002.safetensors")
    assert "one shard of 2" in said.cause and said.remedy.endswith(f": {index.parent}")
    assert holds(subject(tmp_path, index.parent))


def test_a_shard_changes_the_hash(tmp_path):
    index = sharded(tmp_path / "hf")
    before = load(index).sha256
    part = load_file(tmp_path / "hf" / "model-00001-of-00002.safetensors")
    save_file({k: v + 1 for k, v in part.items()}, tmp_path / "hf" / "model-00001-of-00002.safetensors")
    assert load(index).sha256 != before


def test_folders_of_one_file_of_none_and_of_processes(tmp_path):
    (tmp_path / "one").mkdir()
    torch.save(STATE, tmp_path / "one" / "pytorch_model.bin")
    (tmp_path / "one" / "training_args.bin").write_bytes(b"x")
    found = subject(tmp_path, tmp_path / "one")
    assert holds(found) and found.checkpoint.sha256 == hash_at(tmp_path / "one")
    assert hash_at(tmp_path / "nothing") is None
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / ".metadata").write_bytes(b"x")
    (tmp_path / "dist" / "__0_0.distcp").write_bytes(b"x")
    assert "dcp_to_torch" in refused(tmp_path, tmp_path / "dist").remedy


# -- programs -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["script", "export"])
def test_programs_are_refused_with_a_way_out_that_works(tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = torch.ones(1, 3, 9, 9)
    if kind == "script":
        torch.jit.save(torch.jit.trace(network(), x), "p.pt")
    else:
        torch.export.save(torch.export.export(network(), (x,)), "p.pt")
    with pytest.raises(InputError) as caught:  # where weights for a network are wanted: of another epoch
        load(tmp_path / "p.pt")
    error = caught.value
    assert ("TorchScript" if kind == "script" else "torch.export") in error.cause
    exec(error.remedy.split('"')[1], {})  # the remedy, to the letter
    assert holds(subject(tmp_path, tmp_path / "weights.pt"))


@pytest.mark.parametrize("data", [b"\x08\x08\x12\x07pytorch", b"\x08\x0a\x3a\x80\x01"])
def test_onnx_is_named(tmp_path, data):
    (tmp_path / "m.onnx").write_bytes(data + bytes(100))
    with pytest.raises(InputError, match="ONNX") as caught:
        load(tmp_path / "m.onnx")
    assert "exported from" in caught.value.remedy


def test_a_head_that_lacks_or_has_another_name_is_named(tmp_path):
    error = refused(tmp_path, {k: v for k, v in STATE.items() if not k.startswith("fc.")})
    assert "has no 'fc'" in error.remedy
    error = refused(tmp_path, {k.replace("fc.", "head."): v for k, v in STATE.items()})
    assert "'fc' has another name or form, 'head'" in error.remedy and "file.py" in error.remedy


def test_a_head_that_was_built_otherwise_has_a_remedy_that_works(tmp_path):
    state = OrderedDict((k.replace("fc.", "fc.1."), v) for k, v in STATE.items())
    error = refused(tmp_path, state)
    assert "'fc' was built otherwise" in error.remedy and "file.py" in error.remedy
    (tmp_path / "file.py").write_text(
        NET
        + "\ndef function():\n    net = make()\n"
        + "    net.fc = nn.Sequential(nn.Dropout(), net.fc)\n    return net\n"
    )
    found = subject(tmp_path, state, source="file.py:function")
    assert torch.equal(found.network.fc[1].weight, STATE["fc.weight"])
