"""Folders that `save_pretrained` of transformers or timm wrote: checkpoints that bring their model."""

from __future__ import annotations

import json
import os
import pickle
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from reportgen.engine.network.output import logits_of
from reportgen.errors import InputError, RecipeError
from reportgen.inputs import load_subject
from reportgen.inputs.checkpoints.reading import load
from reportgen.inputs.images.preprocessing import apply
from reportgen.inputs.models.saved_folders import saved_folder
from reportgen.inputs.models.subject import fill
from reportgen.recipe import load as load_recipe
from reportgen.recipe.fields import ModelRecipe

NAMES = {0: "cat", 1: "dog", 2: "newt"}
VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 16,
}
# a configuration, and an image processor with what differs from its class
SAVED = {
    "ViT": (VIT, "ViTImageProcessor", {"size": {"height": 64, "width": 64}}),
    "Beit": ({**VIT, "use_mean_pooling": True}, "BeitImageProcessor", {"size": 64}),
    "DeiT": (VIT, "DeiTImageProcessor", {"size": 72, "crop_size": 64}),
    "Swin": (
        {"image_size": 64, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
        "ViTImageProcessor",
        {"size": {"height": 64, "width": 64}, "rescale_factor": 1 / 127.5, "resample": 3},
    ),
    "ConvNext": (
        {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_pct": 0.8},
    ),
    "ResNet": (
        {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 384}},
    ),
    "PoolFormer": (
        {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]},
        "PoolFormerImageProcessor",
        {"size": {"shortest_edge": 64}, "crop_size": 64, "crop_pct": 0.8},
    ),
    "MobileViT": (
        {"image_size": 64, "hidden_sizes": [16, 16, 16], "neck_hidden_sizes": [8, 8, 8, 8, 8, 8, 16]},
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 72}, "crop_size": 64},
    ),
    "EfficientNet": (
        {
            "image_size": 64,
            "width_coefficient": 0.25,
            "depth_coefficient": 0.1,
            "hidden_dim": 320,
            "num_block_repeats": [1] * 7,
        },
        "EfficientNetImageProcessor",
        {"size": 64, "rescale_offset": True},
    ),
    "Dinov2": (
        {**VIT, "mlp_ratio": 2},
        "BitImageProcessor",
        {"size": {"shortest_edge": 72}, "crop_size": 64},
    ),
}


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


def made(transformers, kind: str, **more):
    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(**{**SAVED[kind][0], "id2label": NAMES, **more})
    network = getattr(transformers, f"{kind}ForImageClassification")(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # also layer scales and heads that begin at zero
    return network


def saved(transformers, folder: Path, kind: str = "ViT", **more):
    network = made(transformers, kind, **more)
    network.save_pretrained(folder)
    _config, processor, options = SAVED[kind]
    getattr(transformers, processor)(**options).save_pretrained(folder)
    return network


def subject_of(folder: Path, **model):
    recipe = load_recipe(None, [str(folder)])
    return load_subject(recipe.model_copy(update={"model": ModelRecipe(**model)}), folder)


def changed(folder: Path, **entries) -> None:
    """Writes other values into the folder's config.json; None takes one out."""
    file = folder / "config.json"
    table = {**json.loads(file.read_text()), **entries}
    file.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


def photograph(size: tuple[int, int] = (160, 120)) -> Image.Image:
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    planes = [np.sin(x / 17) * 100 + 120, np.cos(y / 11) * 90 + 110, (x * 2 + y) % 256]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


# -- transformers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SAVED)
def test_a_folder_answers_for_a_photograph_as_transformers_does(transformers, tmp_path, kind):
    network = saved(transformers, tmp_path, kind)
    subject = subject_of(tmp_path)
    assert subject.source == f"transformers:{kind}ForImageClassification"
    assert subject.classes == ("cat", "dog", "newt")
    assert not any("assumption" in note for note in subject.notes)
    ours = torch.as_tensor(apply(photograph(), subject.preprocessing)[0])[None]
    peer = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    theirs = peer(photograph(), return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape
    turned = theirs.flip(1) if kind == "MobileViT" else theirs
    # bytes of two ways to resample: off by one here and there. (Where half a pixel is to be cut off,
    # torchvision and transformers round it differently: here all margins are whole.)
    assert (ours - turned).abs().mean() < 0.005 * float(theirs.max() - theirs.min())
    with torch.no_grad():
        found, right = logits_of(subject.network(turned), None), network(theirs).logits
    assert found.shape == (1, 3)
    assert torch.allclose(found, right, atol=1e-5 * float(right.abs().max()))


def test_the_weights_are_renamed_by_transformers_itself_and_strictly(transformers, tmp_path):
    network = saved(transformers, tmp_path)
    on_disk = load_file(tmp_path / "model.safetensors")
    assert on_disk.keys() != network.state_dict().keys()  # or this says nothing
    found = subject_of(tmp_path).network.state_dict()
    assert found.keys() == network.state_dict().keys()
    assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())
    on_disk.pop("classifier.weight")
    save_file(on_disk, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"1 of the model's 40 keys missing \(classifier.weight\)"):
        subject_of(tmp_path)


def test_a_head_of_another_size_is_told_by_its_shapes(transformers, tmp_path):
    saved(transformers, tmp_path)
    changed(tmp_path, id2label={str(k): f"c{k}" for k in range(5)}, label2id=None)
    with pytest.raises(InputError, match=r"classifier.bias is \(3,\) in the checkpoint, \(5,\) in the model"):
        subject_of(tmp_path)


def test_keys_that_the_network_does_not_know_are_told(transformers, tmp_path):
    saved(transformers, tmp_path)
    save_file(
        {**load_file(tmp_path / "model.safetensors"), "decoder.weight": torch.ones(2)},
        tmp_path / "model.safetensors",
    )
    with pytest.raises(InputError, match=r"unknown \(decoder.weight\)"):
        subject_of(tmp_path)


def test_shards_a_weights_file_and_a_torch_file_are_the_same_model(transformers, tmp_path):
    network = saved(transformers, tmp_path / "one")
    (tmp_path / "shards").mkdir()
    network.save_pretrained(tmp_path / "shards", max_shard_size="60KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    (tmp_path / "torch").mkdir()
    on_disk = load_file(tmp_path / "one" / "model.safetensors")
    torch.save(on_disk, tmp_path / "torch" / "pytorch_model.bin")
    (tmp_path / "torch" / "config.json").write_bytes((tmp_path / "one" / "config.json").read_bytes())
    index = tmp_path / "shards" / "model.safetensors.index.json"
    for place in ("shards", index, "one/model.safetensors", "torch"):
        found = subject_of(tmp_path / place).network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())


def test_of_safetensors_and_a_pickle_beside_them_the_pickle_is_not_opened(transformers, tmp_path):
    saved(transformers, tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"no pickle")
    assert subject_of(tmp_path).classes == ("cat", "dog", "newt")


def test_nothing_in_a_torch_file_of_a_folder_runs(transformers, tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    saved(transformers, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"classifier.weight": Runs()}))
    with pytest.raises(InputError):
        subject_of(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_half_precision_and_placeholders(transformers, tmp_path):
    made(transformers, "ViT", id2label={0: "LABEL_0", 1: "LABEL_1"}).half().save_pretrained(tmp_path)
    subject = subject_of(tmp_path)
    assert subject.classes is None
    assert {p.dtype for p in subject.network.parameters()} == {torch.float32}
    assert "Weights of float16 were converted to float32." in subject.notes
    assert (subject.preprocessing.crop, subject.preprocessing.resize) == ((64, 64), 73)
    assert any("assumption" in note and "64×64" in note for note in subject.notes)


def test_grey_images(transformers, tmp_path):
    network = made(transformers, "ViT", num_channels=1)
    network.save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(size=64, image_mean=[0.3], image_std=[0.2])
    processor.save_pretrained(tmp_path)
    p = subject_of(tmp_path).preprocessing
    assert (p.input_shape, p.mean, p.std) == ((1, 64, 64), (pytest.approx(0.3),), (pytest.approx(0.2),))


def test_what_a_recipe_says_speaks_before_the_folder(transformers, tmp_path):
    saved(transformers, tmp_path)
    crop = {"crop": 64, "mean": [0.1], "std": [0.2]}
    subject = subject_of(tmp_path, classes=["a", "b", "c"], preprocessing=crop)
    assert (subject.classes, subject.preprocessing.mean) == (("a", "b", "c"), (0.1, 0.1, 0.1))
    assert subject_of(tmp_path, arguments={"layer_norm_eps": 0.5}).network.config.layer_norm_eps == 0.5
    with pytest.raises(RecipeError, match="did you mean 'layer_norm_eps'"):
        subject_of(tmp_path, arguments={"layer_norm_epsi": 0.5})


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"auto_map": {"AutoModelForImageClassification": "code.Net"}}, "code of its own"),
        ({"architectures": ["ViTModel"]}, "holds a ViTModel, which is no image classifier"),
        ({"architectures": ["ViTForMaskedImageModeling"]}, "no image classifier"),
        ({"architectures": ["BertForSequenceClassification"], "model_type": "bert"}, "no image classifier"),
        ({"architectures": ["CLIPModel"], "model_type": "clip"}, "holds a CLIPModel"),
        ({"architectures": None, "model_type": "bert"}, "no image classifier"),
        ({"architectures": ["ImageGPTForImageClassification"], "model_type": "imagegpt"}, "`input_ids`"),
        ({"architectures": ["NewNet"], "model_type": "new_net"}, "type 'new_net', which transformers"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantized"),
        ({"hidden_act": "no-such"}, "cannot be built"),
    ],
)
def test_a_folder_that_cannot_be_audited_is_refused_in_words(transformers, tmp_path, entries, words):
    saved(transformers, tmp_path)
    changed(tmp_path, **entries)
    with pytest.raises(InputError, match=words) as caught:
        subject_of(tmp_path)
    assert "\n" not in caught.value.cause + caught.value.remedy


def test_a_folder_that_names_no_architecture_is_what_its_type_is(transformers, tmp_path):
    saved(transformers, tmp_path)
    changed(tmp_path, architectures=None)
    assert type(subject_of(tmp_path).network).__name__ == "ViTForImageClassification"


def test_code_beside_a_processor_is_refused_and_an_unknown_step_too(transformers, tmp_path):
    saved(transformers, tmp_path)
    transformers.ViTImageProcessor(size=64, do_pad=True, pad_size=80).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="ViTImageProcessor prepares images in a way") as caught:
        subject_of(tmp_path)
    assert "model.preprocessing" in caught.value.remedy
    (tmp_path / "preprocessor_config.json").write_text('{"auto_map": {"AutoImageProcessor": "x.Y"}}')
    with pytest.raises(InputError, match="code of its own"):
        subject_of(tmp_path)


def test_nothing_is_asked_of_a_hub(transformers, tmp_path, monkeypatch):
    import huggingface_hub

    def never(*_arguments, **_named):
        raise AssertionError("asked for something")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(socket, "getaddrinfo", never)
    saved(transformers, tmp_path)
    subject_of(tmp_path)
    assert huggingface_hub.constants.HF_HUB_OFFLINE is False


def test_without_transformers_there_is_a_remedy(transformers, tmp_path, monkeypatch):
    saved(transformers, tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RecipeError, match="transformers, which is not installed") as caught:
        subject_of(tmp_path)
    assert "reportgen-audit[models]" in caught.value.remedy


def test_an_adapter_is_no_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    save_file({"a": torch.ones(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(InputError, match="adapter"):
        subject_of(tmp_path)


def test_a_network_of_transformers_that_a_file_makes_takes_a_folders_weights(transformers, tmp_path):
    network = saved(transformers, tmp_path)
    (tmp_path / "net.py").write_text(
        "from torch import nn\nimport transformers\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        f"        config = transformers.ViTConfig(**{VIT}, num_labels=3)\n"
        "        self.net = transformers.ViTForImageClassification(config)\n"
        "    def forward(self, x):\n        return self.net(x).logits\n"
    )
    subject = subject_of(tmp_path, source=f"{tmp_path}/net.py:Net")
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(subject.network(x), network(x).logits, atol=1e-5)
    assert subject.preprocessing.mean == pytest.approx((0.5, 0.5, 0.5))


def test_another_checkpoint_of_the_run_is_turned_to_red_green_blue_too(transformers, tmp_path):
    saved(transformers, tmp_path, "MobileViT")
    subject = subject_of(tmp_path)
    assert any("blue, green, red" in note for note in subject.notes)
    before = {key: value.clone() for key, value in subject.network.state_dict().items()}
    on_disk = load_file(tmp_path / "model.safetensors")
    assert torch.equal(
        before["mobilevit.conv_stem.convolution.weight"],
        on_disk["mobilevit.conv_stem.convolution.weight"].flip(1),
    )
    fill(subject.network, load(tmp_path), subject.source)
    assert all(torch.equal(before[key], value) for key, value in subject.network.state_dict().items())


# -- timm -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timm():
    return pytest.importorskip("timm")


def timm_folder(timm, folder: Path, name: str, safe=True, **options):
    torch.manual_seed(3)
    network = timm.create_model(name, **options).eval()
    labels = {"label_names": ["cat", "dog", "newt"]} if options.get("num_classes") == 3 else {}
    timm.models._hub.save_for_hf(network, folder, model_config=labels, safe_serialization=safe)
    return network


def test_a_folder_that_timm_saved(timm, tmp_path):
    options = {"img_size": 64, "embed_dim": 32, "depth": 1, "num_heads": 2, "in_chans": 1}
    network = timm_folder(timm, tmp_path, "vit_tiny_patch16_224.augreg_in21k", num_classes=3, **options)
    if "model_args" not in json.loads((tmp_path / "config.json").read_text()):  # an older timm
        changed(tmp_path, model_args=options)
    subject = subject_of(tmp_path)
    assert (subject.source, subject.classes) == ("timm:vit_tiny_patch16_224", ("cat", "dog", "newt"))
    x = torch.rand(1, 1, 64, 64)
    assert torch.equal(subject.network(x), network(x))
    p = subject.preprocessing
    assert (p.input_shape, p.mean, p.std, p.interpolation) == ((1, 64, 64), (0.5,), (0.5,), "bicubic")


def test_a_folder_that_timm_saved_flat_and_as_a_pickle(timm, tmp_path):
    network = timm_folder(timm, tmp_path, "resnet10t", safe=False, num_classes=3)
    table = json.loads((tmp_path / "config.json").read_text())
    flat = {**table.pop("pretrained_cfg"), **table, "mean": [0.1, 0.2, 0.3], "crop_pct": 0.5}
    (tmp_path / "config.json").write_text(json.dumps(flat))
    subject = subject_of(tmp_path)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(subject.network(x), network(x))
    assert subject.preprocessing.mean == (0.1, 0.2, 0.3)
    assert subject.preprocessing.resize == 2 * subject.preprocessing.crop[0]


def test_transformers_wrapper_of_a_timm_network(transformers, timm, tmp_path):
    config = transformers.TimmWrapperConfig(architecture="resnet10t", num_labels=3, do_pooling=True)
    network = transformers.TimmWrapperForImageClassification(config).eval()
    network.save_pretrained(tmp_path)
    subject = subject_of(tmp_path)
    assert subject.source == "timm:resnet10t"
    x = torch.rand(1, 3, 64, 64)
    assert torch.allclose(subject.network(x), network(x).logits, atol=1e-6)


def test_the_folder_of_a_training_names_its_checkpoints_and_the_remedy_works(tmp_path):
    for step in ("checkpoint-500", "checkpoint-900"):
        (tmp_path / step).mkdir()
        (tmp_path / step / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(InputError) as refused:
        saved_folder(tmp_path)
    assert "checkpoint-500, checkpoint-900" in refused.value.cause
    named = Path(refused.value.remedy.rpartition("such as ")[2])
    found = saved_folder(named)
    assert found is not None and found.path == tmp_path / "checkpoint-900"
