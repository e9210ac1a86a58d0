"""Devices, with a CUDA machine played by fakes: the CUDA path itself needs one."""

from __future__ import annotations

import pytest
import torch

from reportgen.engine import device
from reportgen.engine.network.trace import trace
from reportgen.errors import InputError, RecipeError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _d: "NVIDIA Fake")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _d: (8 << 30, 16 << 30))


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_takes_cuda_if_there_is_one_then_the_cpu(two_gpus):
    assert device.choose("auto") == torch.device("cuda:0")
    assert device.choose("cuda:1") == torch.device("cuda:1")
    assert device.choose("cpu") == torch.device("cpu")
    assert device.name_of(torch.device("cuda:1")) == "NVIDIA Fake"


def test_without_cuda(no_gpu):
    assert device.choose("auto") == torch.device("cpu")
    with pytest.raises(RecipeError, match="0 CUDA devices") as caught:
        device.choose("cuda")
    assert "--device auto" in caught.value.remedy


@pytest.mark.parametrize("wish", ["cuda:2", "cuda:99"])
def test_a_device_that_is_not_there(two_gpus, wish):
    with pytest.raises(RecipeError, match="2 CUDA devices"):
        device.choose(wish)


@pytest.mark.parametrize("wish", ["gpu", "cuda:x", "CPU"])
def test_a_device_that_is_none(wish):
    with pytest.raises(RecipeError, match="unknown device"):
        device.choose(wish)


@pytest.mark.parametrize("free", [1 << 20, 16 << 30])
def test_batches_fit_half_of_a_card_s_memory_whatever_is_free_of_it(two_gpus, awkward, monkeypatch, free):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _d: (free, 16 << 30))
    cuda = torch.device("cuda:0")
    assert device.batch_size("auto", cuda, 1 << 30) == 8
    assert device.batch_size("auto", cuda, 16 << 30) == 1
    assert device.batch_size("auto", cuda, 1) == device.CUDA_BATCH
    assert device.batch_size(3, cuda, 16 << 30) == 3
    facts = trace(awkward, (3, 32, 32))
    without, with_backward = (device.bytes_per_image(facts, 0, b) for b in (False, True))
    assert with_backward - without == facts.activation_bytes


def test_images_go_to_cuda_from_pinned_memory_without_waiting_and_to_the_cpu_as_they_are(monkeypatch):
    moved = []

    class Pinned:
        def to(self, where, non_blocking=False):
            moved.append((where, non_blocking))
            return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda _x: Pinned())
    x = torch.rand(2, 3)
    assert isinstance(device.placed(x, torch.device("cuda:1")), Pinned)
    assert moved == [(torch.device("cuda:1"), True)]
    assert device.placed(x, torch.device("cpu")) is x


@pytest.mark.parametrize(("fits", "sizes"), [(100, [13]), (4, [13, 6, 3]), (1, [13, 6, 3, 1])])
def test_work_is_done_with_the_first_half_that_fits(fits, sizes):
    tried, told = [], []

    def work(size: int) -> str:
        tried.append(size)
        if size > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return f"done with {size}"

    assert device.fitting(work, 13, told.append) == f"done with {sizes[-1]}"
    assert tried == sizes and told == sizes[1:]


def test_what_does_not_fit_at_all_and_what_is_no_lack_of_memory_are_raised():
    def fails(error: Exception):
        def work(_size: int) -> None:
            raise error

        return work

    with pytest.raises(torch.OutOfMemoryError):
        device.fitting(fails(torch.OutOfMemoryError("full")), 4, lambda _size: None)
    with pytest.raises(RuntimeError, match="another"):
        device.fitting(fails(RuntimeError("another")), 4, lambda _size: pytest.fail("it was tried again"))
    with (
        pytest.raises(InputError, match="too little memory") as caught,
        device.enough_memory(torch.device("cpu")),
    ):
        device.fitting(fails(torch.OutOfMemoryError("full")), 1, lambda _size: None)
    assert "run.device: cpu" in caught.value.remedy


def test_flags_and_random_numbers_are_restored():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    before = torch.are_deterministic_algorithms_enabled()
    with device.repeatable(0):
        first = torch.rand(1)
        assert torch.are_deterministic_algorithms_enabled()
    with device.repeatable(0):
        assert torch.equal(torch.rand(1), first)
    assert torch.are_deterministic_algorithms_enabled() == before
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 2024\n", "550.54.14"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release\n", "580.95.05"),
        ("something else", None),
    ],
)
def test_under_a_gpus_numbers_the_driver_is_named(tmp_path, says, version):
    (tmp_path / "version").write_text(says)
    told = device._below_torch(torch.device("cuda"), tmp_path / "version")
    assert told.get("driver") == version
    assert "driver" not in device._below_torch(torch.device("cuda"), tmp_path / "none")
    assert device._below_torch(torch.device("cpu"), tmp_path / "version") == {}


def test_the_environment_has_torchvisions_version_as_it_says_it():
    import torchvision

    assert device.environment(torch.device("cpu"), 0, "float32")["torchvision"] == torchvision.__version__


@pytest.mark.parametrize("there", [False, True])
def test_beside_a_gpu_attention_is_added_up_in_one_order(monkeypatch, there):
    """A played GPU: the kernel whose backward is not deterministic is off, and afterwards as it was."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    before = torch.backends.cuda.mem_efficient_sdp_enabled()
    with device.repeatable(0):
        assert torch.backends.cuda.mem_efficient_sdp_enabled() == (before and not there)
    assert torch.backends.cuda.mem_efficient_sdp_enabled() == before


def test_perturbations_come_in_larger_batches_than_images_that_bring_their_taps(awkward, monkeypatch):
    cpu, facts = torch.device("cpu"), trace(awkward, (3, 32, 32))
    free = device.packed_size("auto", cpu, facts, 5)
    assert free == device.Packed(device.CPU_PACKED, device.CPU_PACKED)
    # what one keeps while it is differentiated is more than what a layer reads and gives
    monkeypatch.setattr(device, "CPU_PACKED_BYTES", 1 << 20)
    monkeypatch.setattr(device, "CPU_BATCH_BYTES", 1 << 20)
    tight = device.packed_size("auto", cpu, facts, 1 + 1)
    assert 2 <= tight.gradients < tight.forwards < device.CPU_PACKED
    assert device.packed_size("auto", cpu, facts, 100) == device.Packed(100, 100)  # never fewer


def test_the_recipes_size_a_cuda_device_and_images_one_at_a_time_hold_for_perturbations_too(awkward):
    cpu, facts = torch.device("cpu"), trace(awkward, (3, 32, 32))
    assert device.packed_size(3, cpu, facts, 3) == device.Packed(3, 3)
    assert device.packed_size("auto", torch.device("cuda:0"), facts, 64) == device.Packed(64, 64)
    assert device.packed_size("auto", cpu, facts, 1) == device.Packed(1, 1)
