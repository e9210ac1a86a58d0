"""A folder that `save_pretrained` of transformers or timm wrote: which network its config.json describes.

Nothing is fetched, and no code that lies in the folder is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.shards import INDEX, SUFFIXES, WHOLE, read_json
from reportgen.inputs.models import huggingface
from reportgen.inputs.models.optional import imported, offline
from reportgen.inputs.models.sources import build

CONFIG = "config.json"
REMOTE_CODE = ("auto_map", "custom_pipelines")  # keys that name code in the folder, or on a hub


@dataclass(frozen=True)
class SavedFolder:
    """What a folder's config.json says of its network. `source` is what a report calls it."""

    path: Path
    library: Literal["transformers", "timm"]
    architecture: str
    config: Mapping[str, Any]

    @property
    def source(self) -> str:
        """Such as transformers:ViTForImageClassification or timm:resnet18."""
        return f"{self.library}:{self.architecture}"

    def build(self, arguments: Mapping[str, Any]) -> nn.Module:
        """The network with random weights; `arguments` speak before the folder's own settings.

        Raises InputError where the folder holds no classifier that can be built without running code
        of its own, RecipeError where a package is missing or an argument is unknown.
        """
        if code := [key for key in REMOTE_CODE if self.config.get(key)]:
            raise InputError(
                f"{self.path / CONFIG} names code of its own (`{code[0]}`), which is never run",
                "write a file.py whose function makes the network, and name it in model.source",
            )
        if self.library == "timm":
            imported("timm", self.path)
            return build(self.source, {**self._timm_arguments(), **arguments}, self.path)
        transformers = imported("transformers", self.path)
        with offline():
            return huggingface.build(transformers, self.path, self.architecture, self.config, arguments)

    def _timm_arguments(self) -> dict[str, Any]:
        """What timm saved of the arguments that its network was made with."""
        own = self.config.get("pretrained_cfg")
        cfg = dict(own) if isinstance(own, Mapping) else dict(self.config)
        classes = self.config.get("num_classes", cfg.get("num_classes"))
        pool = self.config.get("global_pool")
        known = {key: cfg[key] for key in TIMM_CONFIG if cfg.get(key) is not None}
        return {
            **({"global_pool": pool} if pool else {}),
            **(self.config.get("model_args") or {}),
            **({} if classes is None else {"num_classes": int(classes)}),
            **({"pretrained_cfg_overlay": known} if known else {}),
        }


# of timm's configuration what says how images are prepared; the rest says where weights were fetched from
TIMM_CONFIG = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation", "fixed_input_size")


def folder_of(checkpoint: Path) -> Path:
    """The folder that a checkpoint is or lies in."""
    return checkpoint if checkpoint.is_dir() else checkpoint.parent


def saved_folder(checkpoint: Path) -> SavedFolder | None:
    """The folder that a checkpoint is, or whose weights file or index it is; None where no config.json
    there describes a network. Raises InputError for one that cannot be read."""
    folder = folder_of(checkpoint)
    if folder != checkpoint and not (checkpoint.name in WHOLE or checkpoint.name.endswith(INDEX)):
        return None
    if (folder / "adapter_config.json").is_file() and not (folder / CONFIG).is_file():
        raise InputError(
            f"{folder} holds an adapter (PEFT), which is a change of another checkpoint and no model",
            "merge it first: model.merge_and_unload().save_pretrained(FOLDER), and name that folder",
        )
    if not (folder / CONFIG).is_file():
        inner = sorted(file.parent.name for file in folder.glob(f"*/{CONFIG}"))
        if folder == checkpoint and inner and not any(p.suffix in SUFFIXES for p in folder.iterdir()):
            raise InputError(
                f"{folder} holds no network, but {len(inner)} of its folders may: {', '.join(inner[:4])}",
                f"name one of them, such as {folder / inner[-1]}",
            )
        return None
    config = read_json(folder / CONFIG)
    return _described(folder, config) if isinstance(config, dict) else None


def _described(folder: Path, config: Mapping[str, Any]) -> SavedFolder | None:
    kind, architecture = config.get("model_type"), config.get("architecture")
    of_timm = kind == "timm_wrapper" or (kind is None and isinstance(config.get("num_classes"), int))
    if isinstance(architecture, str) and (of_timm or isinstance(config.get("pretrained_cfg"), Mapping)):
        return SavedFolder(folder, "timm", architecture, config)
    several = config.get("architectures")
    name = several[0] if isinstance(several, list) and several else None
    if isinstance(kind, str) or isinstance(name, str):
        return SavedFolder(folder, "transformers", str(name or kind), config)
    return None
