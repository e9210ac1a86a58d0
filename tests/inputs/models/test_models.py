"""The checkpoint in the network: strictly, and with words for everything that does not fit."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.models import auto_preprocessing as auto
from reportgen.inputs.models.subject import load_subject

NET = """
from collections import OrderedDict
from torch import nn

def make(channels=3, num_classes=4):
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(channels, 6, 3), bn=nn.BatchNorm2d(6), relu=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(6, num_classes)))

def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 2))

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
"""


def recipe(
    folder: Path,
    source: str | None = "net.py:make",
    classes=None,
    preprocessing="auto",
    weights=None,
    **arguments,
):
    (folder / "net.py").write_text(NET)
    model = SimpleNamespace(
        source=source,
        arguments=arguments,
        classes=classes,
        preprocessing=preprocessing,
        weights=weights,
        signed_by=None,
    )
    images = SimpleNamespace(at_most_megapixels=None)
    return SimpleNamespace(model=model, folder=folder, images=images, allowed_code=None)


def network(**arguments) -> nn.Module:
    space: dict = {}
    exec(NET, space)
    torch.manual_seed(1)
    return space["make"](**arguments)


def saved(folder: Path, state: dict) -> Path:
    torch.save(state, folder / "x.pt")
    return folder / "x.pt"


def test_the_weights_are_those_of_the_file_and_the_network_answers_alike(tmp_path):
    original = network()
    original.bn.running_mean.uniform_()
    subject = load_subject(recipe(tmp_path), saved(tmp_path, original.state_dict()))
    images = torch.rand(2, 3, 9, 9)
    assert torch.equal(subject.network(images), original.eval()(images))
    assert not any(module.training for module in subject.network.modules())
    assert all(parameter.requires_grad for parameter in subject.network.parameters())
    assert subject.checkpoint.state == {}
    assert subject.checkpoint.size_bytes == (tmp_path / "x.pt").stat().st_size
    assert subject.classes is None
    assert subject.source == "net.py:make"


def test_nobody_names_a_model(tmp_path):
    with pytest.raises(RecipeError, match="no model is named") as caught:
        load_subject(recipe(tmp_path, None), tmp_path / "x.pt")
    assert "--model" in caught.value.remedy


def test_half_precision_is_widened_and_said(tmp_path):
    state = {k: v.half() if v.is_floating_point() else v for k, v in network().state_dict().items()}
    subject = load_subject(recipe(tmp_path), saved(tmp_path, state))
    assert {p.dtype for p in subject.network.parameters()} == {torch.float32}
    assert torch.equal(subject.network.fc.weight, state["fc.weight"].float())
    assert "Weights of float16 were converted to float32." in subject.notes


def test_weights_that_are_not_finite_are_said(tmp_path):
    state = network().state_dict()
    state["fc.weight"][0, :2] = torch.tensor([float("nan"), float("inf")])
    subject = load_subject(recipe(tmp_path), saved(tmp_path, state))
    assert "2 of 24 values of fc.weight are not finite." in subject.notes


def test_a_trainers_prefix_is_left_out_and_said(tmp_path):
    state = {f"student.{key}": value for key, value in network().state_dict().items()}
    subject = load_subject(recipe(tmp_path), saved(tmp_path, {"state_dict": state}))
    assert any("'student.'" in note for note in subject.notes)


def test_a_file_that_counts_no_batches_loads(tmp_path):
    state = {k: v for k, v in network().state_dict().items() if "num_batches" not in k}
    subject = load_subject(recipe(tmp_path), saved(tmp_path, state))
    assert any("counts no batches" in note for note in subject.notes)
    save_file(state, tmp_path / "x.safetensors")
    load_subject(recipe(tmp_path), tmp_path / "x.safetensors")


# -- what does not fit ---------------------------------------------------------------------------


def differs(folder: Path, state: dict, **arguments) -> InputError:
    with pytest.raises(InputError) as caught:
        load_subject(recipe(folder, **arguments), saved(folder, state))
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.cause + caught.value.remedy
    return caught.value


def test_another_number_of_classes_says_what_to_set(tmp_path):
    error = differs(tmp_path, network(num_classes=7).state_dict())
    assert "fc.weight is (7, 6) in the checkpoint, (4, 6) in the model" in error.cause
    assert error.remedy == "set model.arguments.num_classes: 7"
    load_subject(recipe(tmp_path, num_classes=7), tmp_path / "x.pt")


def test_another_shape_inside_does_not_blame_the_classes(tmp_path):
    state = network().state_dict()
    state["conv.weight"] = torch.zeros(6, 3, 5, 5)
    error = differs(tmp_path, state)
    assert "conv.weight is (6, 3, 5, 5) in the checkpoint, (6, 3, 3, 3) in the model" in error.cause
    assert "num_classes" not in error.remedy


def test_missing_and_unknown_keys_are_counted_and_the_first_named(tmp_path):
    state = network().state_dict()
    del state["fc.weight"], state["fc.bias"]
    state |= {f"head.{n}": torch.ones(1) for n in range(5)}
    cause = differs(tmp_path, state).cause
    assert "2 of the model's 9 keys missing (fc.weight, fc.bias)" in cause
    assert "5 of the checkpoint's 12 keys unknown (head.0, head.1, head.2, …)" in cause


def test_one_missing_key_is_enough_to_refuse(tmp_path):
    state = network().state_dict()
    del state["bn.running_var"]
    assert "bn.running_var" in differs(tmp_path, state).cause


def test_one_key_too_many_is_enough_to_refuse(tmp_path):
    state = network().state_dict() | {"extra": torch.ones(1)}
    assert "extra" in differs(tmp_path, state).cause


def test_a_scalar_in_the_place_of_a_vector(tmp_path):
    state = network(num_classes=1).state_dict()
    state["fc.bias"] = torch.tensor(0.0)
    assert "fc.bias is () in the checkpoint" in differs(tmp_path, state, num_classes=1).cause


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(4, 6, dtype=torch.int8),
        torch.zeros(4, 6, dtype=torch.complex64),
        torch.zeros(4, 6).to_sparse(),
    ],
)
def test_what_a_load_would_convert_silently_is_refused(tmp_path, value):
    assert "fc.weight is" in differs(tmp_path, {**network().state_dict(), "fc.weight": value}).cause


def test_a_stretched_view_of_absurd_size_costs_nothing(tmp_path):
    vast = torch.zeros(1).expand(10**6, 10**6)
    cause = differs(tmp_path, {**network().state_dict(), "fc.weight": vast}).cause
    assert "holds tensors of more values than the file has: 3,999,999,999,996 bytes more" in cause


def test_a_lazy_layer_takes_the_shape_of_the_file(tmp_path):
    state = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).state_dict()
    subject = load_subject(recipe(tmp_path, "net.py:lazy"), saved(tmp_path, state))
    assert torch.equal(subject.network[1].weight, state["1.weight"])


# -- torchvision ---------------------------------------------------------------------------------


@pytest.mark.parametrize("aux", [True, False])
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_as_the_checkpoint_has_them(tmp_path, name, aux):
    made = models.get_model(name, weights=None, init_weights=False, aux_logits=aux, num_classes=3)
    subject = load_subject(
        recipe(tmp_path, f"torchvision:{name}", num_classes=3), saved(tmp_path, made.state_dict())
    )
    assert subject.network.aux_logits is aux
    assert subject.network(torch.rand(1, 3, 96, 96)).shape == (1, 3)


@pytest.mark.parametrize("name", ["mnasnet0_5", "mobilenet_v3_small"])
def test_networks_that_keep_versions_load_from_either_kind_of_file(tmp_path, name):
    state = models.get_model(name, weights=None).state_dict()
    source = recipe(tmp_path, f"torchvision:{name}")
    load_subject(source, saved(tmp_path, state))
    save_file(dict(state), tmp_path / "x.safetensors")
    load_subject(source, tmp_path / "x.safetensors")


def test_an_older_release_of_a_module_is_migrated_by_its_own_rule(tmp_path):
    """Version 1 of torchvision's MLPBlock called its layers linear_1 and linear_2."""
    source = "torchvision.models.vision_transformer:MLPBlock"
    made = models.vision_transformer.MLPBlock(8, 6, 0.0)
    state = made.state_dict()
    old = OrderedDict((k.replace("0.", "linear_1.").replace("3.", "linear_2."), v) for k, v in state.items())
    old._metadata = {"": {"version": 1}}
    arguments = {"in_dim": 8, "mlp_dim": 6, "dropout": 0.0}
    subject = load_subject(recipe(tmp_path, source, **arguments), saved(tmp_path, old))
    assert torch.equal(subject.network[3].weight, state["3.weight"])


def test_the_old_names_of_densenet(tmp_path):
    state = models.densenet121(weights=None, num_classes=2).state_dict()
    old = {k.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): v for k, v in state.items()}
    assert old.keys() != state.keys()
    subject = load_subject(recipe(tmp_path, "torchvision:densenet121", num_classes=2), saved(tmp_path, old))
    assert any("renamed" in note for note in subject.notes)


# -- preprocessing -------------------------------------------------------------------------------


def of(folder: Path, source: str, state: dict, **more):
    return load_subject(recipe(folder, source, **more), saved(folder, state))


def test_auto_of_torchvision_is_its_default_and_says_that_it_is_a_guess(tmp_path):
    subject = of(tmp_path, "torchvision:resnet50", models.resnet50(weights=None).state_dict())
    p = subject.preprocessing
    assert (p.resize, p.crop, p.mean[0], p.std[2]) == (232, (224, 224), 0.485, 0.225)
    assert p.origin == "torchvision ResNet50_Weights.IMAGENET1K_V2"
    assert any("does not say how its images were prepared" in note for note in subject.notes)
    assert subject.classes is None


def test_torchvisions_own_file_is_recognised_by_its_hash(tmp_path, monkeypatch):
    """The planted truth: the hash in the URL of the first entry is made that of our file."""
    state = models.resnet50(weights=None).state_dict()
    torch.save(state, tmp_path / "x.pt")
    sha = auto.official_weights("torchvision:resnet50", "0676ba61" + "0" * 56)
    assert str(sha) == "ResNet50_Weights.IMAGENET1K_V1"
    assert auto.official_weights("torchvision:resnet50", "0" * 64) is None
    assert auto.official_weights("torchvision:resnet18", "0676ba61" + "0" * 56) is None
    assert auto.official_weights("net.py:make", "0676ba61" + "0" * 56) is None
    assert auto.official_weights("torchvision:nonsense", "0" * 64) is None
    monkeypatch.setattr("reportgen.inputs.models.subject.official_weights", lambda *_: sha)
    subject = load_subject(recipe(tmp_path, "torchvision:resnet50"), tmp_path / "x.pt")
    assert subject.preprocessing.resize == 256
    assert subject.classes is not None and subject.classes[967] == "espresso"
    assert not any("does not say" in note for note in subject.notes)


def test_torchvisions_own_googlenet_scales_its_input_inside(tmp_path, monkeypatch):
    official = models.GoogLeNet_Weights.IMAGENET1K_V1
    monkeypatch.setattr("reportgen.inputs.models.subject.official_weights", lambda *_: official)
    state = models.googlenet(weights=None, init_weights=False).state_dict()
    assert of(tmp_path, "torchvision:googlenet", state).network.transform_input is True
    kept = of(tmp_path, "torchvision:googlenet", state, transform_input=False)
    assert kept.network.transform_input is False


def test_auto_without_a_source_that_knows_is_an_assumption_and_says_so(tmp_path):
    rgb = of(tmp_path, "net.py:make", network().state_dict())
    assert rgb.preprocessing.input_shape == (3, 224, 224)
    assert rgb.preprocessing.origin.startswith("assumed")
    grey = of(tmp_path, "net.py:make", network(channels=1).state_dict(), channels=1)
    assert grey.preprocessing.input_shape == (1, 28, 28)
    for subject in (rgb, grey):
        assert any("assumption" in note for note in subject.notes)


def given(**fields):
    return SimpleNamespace(**{"resize": None, "crop": 28, "interpolation": "bilinear", **fields})


def test_the_recipes_own_values(tmp_path):
    state = network(channels=1).state_dict()
    p = of(
        tmp_path,
        "net.py:make",
        state,
        preprocessing=given(mean=(0.1307,), std=(0.3081,)),
        channels=1,
    ).preprocessing
    assert (p.resize, p.crop, p.mean, p.std) == (None, (28, 28), (0.1307,), (0.3081,))
    assert p.origin == "recipe"


def test_one_mean_is_meant_for_every_channel(tmp_path):
    one = given(mean=(0.5,), std=(0.5,), crop=(20, 30), interpolation="bicubic")
    p = of(tmp_path, "net.py:make", network().state_dict(), preprocessing=one).preprocessing
    assert (p.mean, p.input_shape, p.interpolation) == ((0.5,) * 3, (3, 20, 30), "bicubic")


def test_channels_that_the_first_layer_does_not_take(tmp_path):
    colour = given(mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(RecipeError, match="3 channels, the model's first layer takes 1"):
        of(tmp_path, "net.py:make", network(channels=1).state_dict(), preprocessing=colour, channels=1)
    with pytest.raises(RecipeError, match="first layer takes 5"):
        of(tmp_path, "net.py:make", network(channels=5).state_dict(), channels=5)


def test_a_head_that_is_defined_before_the_stem_is_not_asked_for_its_channels():
    made = nn.ModuleDict({"head": nn.Conv2d(512, 10, 1), "stem": nn.Conv2d(3, 8, 3)})
    assert auto.first_channels(made) == 3
    assert auto.first_channels(nn.Linear(3, 3)) is None


def test_a_network_that_carries_timms_configuration(tmp_path):
    made = network()
    made.pretrained_cfg = {
        "input_size": (3, 240, 240),
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
    }
    source = recipe(tmp_path)
    p, notes = auto.for_model(source, "timm:x", made)
    assert (p.resize, p.crop, p.interpolation) == (266, (240, 240), "bicubic")
    assert (p.mean, p.std, notes) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), [])


def test_class_names_reach_the_subject(tmp_path):
    state = network().state_dict()
    assert of(tmp_path, "net.py:make", state, classes=list("abcd")).classes == tuple("abcd")
