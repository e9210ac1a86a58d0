"""Networks of transformers: from a configuration, and a checkpoint's tensors under the network's own names.

transformers renames keys, and takes tensors apart, between its files and its modules; only it knows how.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.errors import InputError, RecipeError, did_you_mean, nearest

IMAGES = ("pixel_values", "inputs")  # what a classifier of images calls its first argument
# settings of a configuration that say how a network is run or fetched, and nothing of what it computes
NOT_KEPT = ("attn_implementation", "_attn_implementation", "transformers_weights", "fusion_config")
TURNED = "_turned_to_rgb"  # the attribute of a network whose first convolution is to be turned round


def build(
    transformers: ModuleType,
    folder: Path,
    architecture: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> nn.Module:
    """The network of a saved configuration, with random weights, which answers with `logits`.

    `arguments` are settings that speak before those of config.json. Raises InputError and RecipeError.
    """
    if config.get("quantization_config"):
        raise InputError(
            f"{folder} holds quantized weights, which are not the float weights that maps are made of",
            "save the model that it was quantized from, with save_pretrained, and name that folder",
        )
    made = _class(transformers, folder, architecture, config)
    settings = made.config_class.from_dict({k: v for k, v in config.items() if k not in NOT_KEPT})
    for key, value in arguments.items():
        if not hasattr(settings, key):
            raise RecipeError(
                f"model.arguments: {made.__name__} has no setting '{key}'"
                f"{did_you_mean(nearest(key, settings.to_dict()))}",
                "name keys of the folder's config.json",
            )
        setattr(settings, key, value)
    for key, value in (("return_dict", True), ("output_attentions", False), ("output_hidden_states", False)):
        with contextlib.suppress(AttributeError, ValueError):
            setattr(settings, key, value)
    try:
        with quiet():
            network: nn.Module = made(settings)
    except Exception as error:  # whatever a configuration can make its code raise
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"{made.__name__} cannot be built from {folder / 'config.json'}: {type(error).__name__}: {words}",
            "save the folder again with save_pretrained, or update transformers",
        ) from error
    return network


def _class(transformers: ModuleType, folder: Path, architecture: str, config: Mapping[str, Any]) -> Any:
    """The class of transformers that an architecture names. Raises InputError for what classifies no
    images."""
    mapping: Any = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    kind = config.get("model_type")
    named = isinstance(config.get("architectures"), list) and config["architectures"]
    if not named:  # the class that transformers itself takes for this kind of network
        try:
            known = mapping[transformers.CONFIG_MAPPING[kind]]
        except KeyError:
            known = None
        made = known[0] if isinstance(known, tuple) else known
    else:
        made = getattr(transformers, architecture, None)
    known_type = kind in transformers.CONFIG_MAPPING
    if made is None and not known_type and kind is not None:
        raise InputError(
            f"{folder} is a model of type '{kind}', which transformers {transformers.__version__} has not",
            "update transformers, or write a file.py whose function makes the network",
        )
    if made is None or "ForImageClassification" not in made.__name__:
        raise InputError(
            f"{folder} holds a {architecture}, which is no image classifier",
            "name a folder whose config.json says a …ForImageClassification",
        )
    first = next(iter(list(inspect.signature(made.forward).parameters)[1:]), None)
    if first not in IMAGES:
        raise InputError(
            f"{folder} holds a {made.__name__}, whose first input is `{first}` and not an image's pixels",
            "audit a classifier of images",
        )
    return made


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' remarks and progress bars."""
    log = logging.getLogger("transformers")
    before, bars = log.level, _bars()
    log.setLevel(logging.ERROR)
    if bars is not None:
        shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
        if bars is not None and shown:
            bars.enable_progress_bar()


def _bars() -> Any:
    return getattr(getattr(sys.modules.get("transformers"), "utils", None), "logging", None)


def network_of(network: nn.Module) -> tuple[str, Any] | None:
    """The network of transformers that a network is, or the only one that it holds, and its name there."""
    base = getattr(sys.modules.get("transformers"), "PreTrainedModel", None)
    if base is None:
        return None
    found = [(name, module) for name, module in network.named_modules() if isinstance(module, base)]
    outer = [one for one in found if not any(_inside(one[0], other[0]) for other in found)]
    return outer[0] if len(outer) == 1 else None


def _inside(name: str, other: str) -> bool:
    return name != other and (not other or name.startswith(f"{other}."))


def under_own_names(network: nn.Module, state: Mapping[str, Tensor], file: str) -> dict[str, Tensor] | None:
    """A checkpoint's tensors under the names of `network`, as transformers' own loading has them; None
    where the network is none of transformers, or the names are its own already.

    What transformers does not know keeps its name, what has another shape its shape, and what is missing
    is missing, so that the difference can be told. Raises InputError for weights that are no floats.
    """
    found, mine = network_of(network), network.state_dict()
    if found is None or state.keys() == mine.keys():
        return None
    _check_floats(state, mine, file)
    name, inner = found
    prefix = f"{name}." if name else ""
    if prefix and all(key.startswith(prefix) for key in state):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    with quiet():
        loaded, info = type(inner).from_pretrained(
            None,
            config=inner.config,
            state_dict=dict(state),
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            local_files_only=True,
        )
    missing = set(info["missing_keys"])
    own = {key: value for key, value in loaded.state_dict().items() if key not in missing}
    for key, theirs, _ours in info["mismatched_keys"]:
        own[key] = torch.zeros(tuple(theirs))
    for key in info["unexpected_keys"]:
        own[key] = state.get(key, torch.zeros(1))
    return {prefix + key: value for key, value in own.items()}


def _check_floats(state: Mapping[str, Tensor], own: Mapping[str, Tensor], file: str) -> None:
    """Raises InputError for whole numbers where the network has none: loading would convert them."""
    whole = {key.rpartition(".")[2] for key, value in own.items() if not value.is_floating_point()}
    for key, value in state.items():
        if not value.is_floating_point() and key.rpartition(".")[2] not in whole:
            kind = str(value.dtype).removeprefix("torch.")
            raise InputError(f"{key} is {kind} in {file}, float32 in the model", "save it in float32")


def take_rgb(network: nn.Module) -> str:
    """Makes of a network that takes blue, green, red one that takes red, green, blue: whenever a checkpoint
    is loaded into it, the weights of its first convolution are turned round. Its answers stay what they
    were, and filters, maps and pictures are in one order of colours. Returns that convolution's name."""
    first: str | None = next(
        (
            name
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d) and module.in_channels == 3 and module.groups == 1
        ),
        None,
    )
    if first is None:
        raise InputError(
            "the image processor gives blue, green, red, and no convolution takes three channels",
            "write a file.py whose function makes the network and turns the channels, and name it",
        )
    vars(network)[TURNED] = first
    return first


def turned(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A checkpoint's tensors, under the network's own names, as `take_rgb` wants them."""
    key = f"{getattr(network, TURNED, '')}.weight"
    return {**state, key: state[key].flip(1)} if key in state and state[key].ndim == 4 else state
