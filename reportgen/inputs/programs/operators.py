"""The operators of ATen that a program in a file may call: arithmetic on tensors, and nothing else.

None of them reads or writes a file, draws at random outside training, looks at memory that it did not
fill, or calls back into Python. What is not on the list is refused before anything is run.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch

from reportgen.errors import InputError

ALLOWED = frozenset(
    """
    abs abs_ acos adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d add
    add_ addbmm addcdiv addcmul addmm addmv alias all amax amin aminmax any arange argmax argmin argsort
    asin atan atan2 avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and bitwise_not
    bitwise_or bmm broadcast_tensors broadcast_to bucketize cat ceil celu channel_shuffle chunk clamp
    clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clip clip_ clone concat constant_pad_nd contiguous
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d convolution _convolution copy copy_ cos cosh
    cosine_similarity cross cumprod cumsum detach detach_ diag diagonal div div_ dot dropout dropout_
    feature_dropout einsum elu elu_ embedding eq erf erfc exp exp_ expand expand_as eye fill fill_
    flatten flip floor floor_divide fmod full full_like gather ge gelu glu grid_sampler grid_sampler_2d
    group_norm gt hardshrink hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ im2col
    index index_add index_fill index_put index_put_ index_select instance_norm isfinite isinf isnan
    layer_norm le leaky_relu leaky_relu_ lerp lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm
    linear linspace log log10 log1p log2 log_sigmoid log_softmax _log_softmax logical_and logical_not
    logical_or logical_xor logit logsumexp lt masked_fill masked_fill_ masked_scatter masked_select
    matmul max max_pool1d max_pool2d max_pool2d_with_indices maximum mean median meshgrid min minimum
    mish mish_ mm movedim mul mul_ mv nan_to_num narrow native_batch_norm
    _native_batch_norm_legit_no_training native_group_norm native_layer_norm ne neg new_full new_ones
    new_zeros nonzero norm numel numpy_T one_hot ones ones_like pad permute pixel_shuffle pixel_unshuffle
    pow prelu prod reciprocal reflection_pad1d reflection_pad2d relu relu_ relu6 relu6_ remainder repeat
    repeat_interleave replication_pad1d replication_pad2d reshape reshape_as resolve_conj resolve_neg
    rms_norm roll rot90 round rsqrt rsub scalar_tensor scaled_dot_product_attention scatter scatter_add
    select select_scatter selu selu_ sigmoid sigmoid_ sign silu silu_ sin size slice slice_scatter
    softmax _softmax softplus softshrink sort split split_with_sizes sqrt square squeeze squeeze_ stack
    std std_mean sub sub_ sum sym_numel sym_size t tan tanh tanh_ tensor_split threshold threshold_ tile
    to _to_copy topk transpose transpose_ tril triu true_divide trunc type_as unbind unflatten unfold
    unsafe_chunk unsafe_split _unsafe_view unsqueeze unsqueeze_ upsample_bicubic2d upsample_bilinear2d
    upsample_nearest1d upsample_nearest2d var var_mean view view_as where zero_ zeros zeros_like dim
    is_floating_point
    """.split()
)
# what checks a size or a device that was so where the file was made: of no effect on the answer
CHECKS = frozenset(
    "_assert_async _assert_scalar _assert_tensor_metadata _assert sym_constrain_range "
    "sym_constrain_range_for_size".split()
)
ON_NUMBERS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in "add sub mul mod neg pow eq ne lt le gt ge getitem".split()},
    "floordiv": operator.floordiv,
    "truediv": operator.truediv,
    "and_": operator.and_,
    "or_": operator.or_,
    "ceil": math.ceil,
    "floor": math.floor,
    "trunc": math.trunc,
    "sym_max": max,
    "sym_min": min,
    "sym_int": int,
    "sym_float": float,
    "sym_not": operator.not_,
    "sqrt": math.sqrt,
}
# memory that nobody filled holds whatever was there: zeros are given in its place
FILLED = {"empty": "zeros", "empty_like": "zeros_like", "new_empty": "new_zeros"}
LARGEST_POWER = 64
WIDE = torch.float32  # what every kind of float is computed in here, as all networks are
FLOATS = (torch.float16, torch.bfloat16, torch.float64)
REMEDY = (
    "save the network's weights with torch.save(model.state_dict(), 'weights.pt'), name that file, and the "
    "code of the network with --model"
)


class Here:
    """Stands for a device in a program: wherever the network is."""


def aten(name: str, overload: str | None, file: str) -> Callable[..., Any]:
    """An operator that is on the list, by its name and overload. Raises InputError for any other."""
    if name in FILLED:
        return aten(FILLED[name], None if overload == "memory_format" else overload and "default", file)
    if name not in ALLOWED:
        raise refused(f"aten::{name}", file)
    packet = getattr(torch.ops.aten, name)
    if overload is None:
        return packet  # type: ignore[no-any-return]
    if overload not in packet.overloads():
        raise refused(f"aten::{name}.{overload}", file)
    return getattr(packet, overload)  # type: ignore[no-any-return]


def on_numbers(name: str, file: str) -> Callable[..., Any]:
    """A function on sizes and other numbers. Raises InputError."""
    if name not in ON_NUMBERS:
        raise refused(name, file)
    return _power if name == "pow" else ON_NUMBERS[name]


def _power(base: Any, exponent: Any) -> Any:
    """base ** exponent; of whole numbers only so far that it is quick."""
    if isinstance(exponent, int) and abs(exponent) > LARGEST_POWER:
        raise ValueError("a power that no size needs")
    return base**exponent


def refused(operator_name: str, file: str) -> InputError:
    """Why a file is not run: it calls what is not on the list."""
    shown = "".join(c if c.isprintable() else "?" for c in operator_name[:80])
    return InputError(f"{file} calls {shown}, which reportgen does not run from a file", REMEDY)


def widened(kind: Any) -> Any:
    """A dtype as it is used here: float32 for every kind of float."""
    return WIDE if kind in FLOATS else kind


def schema_names(function: Any) -> Sequence[str]:
    """The names of an operator's arguments in order; of a packet those of its plainest overload."""
    if hasattr(function, "overloads"):
        names = function.overloads()
        function = getattr(function, "default" if "default" in names else names[0])
    schema = getattr(function, "_schema", None)
    return [argument.name for argument in schema.arguments] if schema else ()
