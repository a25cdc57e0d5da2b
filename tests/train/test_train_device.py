"""Where and how exactly a training computes: precision, compilation, determinism, what stays on the device, memory."""

import functools
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from trainings import DEVICES, HOW, RESUMABLE, Linear, assert_same_history, assert_same_tensors

from reslab.nets import build, replace
from reslab.runs import Checkpoint
from reslab.train import device as devices
from reslab.train import train
from reslab.train.compatibility import check_device

# Precision


class Own(nn.Module):
    """A person's own model, which notes the type of what its layers make."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc, self.seen = (
            nn.Conv2d(1, 8, 3),
            nn.BatchNorm2d(8),
            nn.Linear(8 * 6 * 6, 10),
            set(),
        )

    def forward(self, x):
        x = self.conv(x)
        if self.training:
            self.seen.add(x.dtype)
        return self.fc(self.norm(x).relu().flatten(1))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precision_is_that_of_the_forward_pass_and_the_weights_stay_float32(split, precision, device):
    torch.manual_seed(0)
    model = Own()
    *_, last = train(model, split, replace(HOW, epochs=4, precision=precision, capture_every=5), device=device)
    assert model.seen == {{"fp32": torch.float32, "bf16": torch.bfloat16}[precision]}
    assert {tensor.dtype for name, tensor in last.checkpoint().tensors.items() if "num_batches" not in name} == {
        torch.float32
    }
    assert last.run().final_train_error < 0.3  # chance is 0.9
    assert last.run().layers["gradient_rms"].gt(0).all()
    assert last.run().how["precision"] == precision


def test_fp32_is_float32_whatever_surrounds_the_training(split):
    model = Own()
    with torch.autocast("cpu", torch.bfloat16):
        next(train(model, split, HOW, device="cpu"))
    assert model.seen == {torch.float32}


@pytest.mark.parametrize("make", ["net", "own"])
@pytest.mark.parametrize("stop", [3, 7])
def test_bf16_resumes_to_the_same_numbers(split, spec, tmp_path, make, stop):
    def fresh():
        torch.manual_seed(0)
        return build(spec) if make == "net" else Own()

    how = replace(RESUMABLE, precision="bf16", augment="crop-flip")
    *_, uninterrupted = train(fresh(), split, how, device="cpu")
    events = train(fresh(), split, how, device="cpu")
    [next(events) for _ in range(stop)][-1].checkpoint().save(tmp_path / "part.safetensors")
    *_, resumed = train(fresh(), split, how, device="cpu", resume=Checkpoint.load(tmp_path / "part.safetensors"))
    assert_same_tensors(resumed.checkpoint().tensors, uninterrupted.checkpoint().tensors)
    assert_same_history(resumed.run(), uninterrupted.run())


# Compilation


@pytest.fixture
def compiled(monkeypatch):
    """The models given to torch.compile, which here traces them but leaves their operations to PyTorch."""
    models, really = [], torch.compile

    @functools.wraps(really)
    def without_a_compiler(model, **options):
        models.append(model)
        return really(model, backend="eager", **options)

    monkeypatch.setattr(torch, "compile", without_a_compiler)
    torch.compiler.reset()
    yield models
    torch.compiler.reset()


def test_a_compiled_net_takes_the_steps_and_the_net_itself_those_that_are_captured(split, spec, compiled):
    how = replace(HOW, capture_every=4, compile=True)
    net, plain = build(spec), build(spec)
    *_, last = train(net, split, how, device="cpu")
    *_, expected = train(plain, split, replace(how, compile=False), device="cpu")
    assert compiled == [net]
    assert_same_tensors(net.state_dict(), plain.state_dict())
    assert_same_history(last.run(), expected.run())
    assert last.run().layers["step"].unique().tolist() == [1, 5, 9]


def test_a_net_compiles_to_one_graph(split, spec):
    torch.compiler.reset()
    x, _ = split.batch(slice(4))
    torch.compile(build(spec), backend="eager", fullgraph=True)(x)  # raises where a graph would break
    torch.compiler.reset()


def test_compiled_steps_are_really_compiled(split, compiled):
    class Tells(Linear):
        told = 0

        def forward(self, x):
            if not torch.compiler.is_compiling() and self.training:
                self.told += 1
            return super().forward(x)

    model = Tells()
    list(train(model, split, replace(HOW, compile=True, capture_every=6)))  # captures at steps 1 and 7
    assert model.told == 2
    model = Tells()
    list(train(model, split, HOW))
    assert model.told == 12
    assert len(compiled) == 1


def test_each_of_many_nets_is_compiled_where_pytorch_keeps_their_programs_apart(split, spec, monkeypatch):
    """Where it cannot, all nets of a class share its limit, here two."""
    apart = "isolate_recompiles" in inspect.signature(torch.compile).parameters
    programs, really = [], torch.compile
    torch.compiler.reset()

    def backend(program, inputs):
        programs.append(program)
        return program

    monkeypatch.setattr(
        torch,
        "compile",
        functools.wraps(really)(lambda model, **options: really(model, backend=backend, **options)),
    )
    x, _ = split.batch(slice(8))
    # Not by monkeypatch: it deletes what is not in the module's __dict__, and then torch.compile fails everywhere.
    with torch._dynamo.config.patch(recompile_limit=2):
        for width in range(1, 5):
            devices.compiled(build(replace(spec, width=width)))(x)
    assert len(programs) == (4 if apart else 2)
    torch.compiler.reset()


def test_what_a_gpu_cannot_do_is_said():
    exact = replace(HOW, compile=True, deterministic=True)
    check_device(exact, torch.device("cpu"))
    with pytest.raises(ValueError, match="not deterministic there; leave one of the two out"):
        check_device(exact, torch.device("cuda"))


# Settings of the process


SWITCHES = {
    "threads": torch.get_num_threads,
    "deterministic": torch.are_deterministic_algorithms_enabled,
    "benchmark": lambda: torch.backends.cudnn.benchmark,
    "convolutions": lambda: torch.backends.cudnn.conv.fp32_precision,
}


def switches():
    return {name: read() for name, read in SWITCHES.items()}


def inside(model, split, how):
    """The settings that a forward pass sees."""
    seen = []
    handle = model.register_forward_pre_hook(lambda *_: seen.append(switches()))
    next(train(model, split, how))
    handle.remove()
    return seen[-1]


def test_no_thread_searches_for_the_libraries_that_are_loaded(monkeypatch, split):
    """While it searches, and another thread imports a compiled module, each would wait for the other for ever."""

    def search(*_):
        raise AssertionError("it searched")

    monkeypatch.setattr("threadpoolctl.ThreadpoolController.__init__", search)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(inside, Linear(), split, HOW).result()["threads"] == 1


def test_threads_are_few_in_the_python_thread_that_trains_and_in_no_other(split):
    torch.set_num_threads(3)
    try:
        with ThreadPoolExecutor(1) as pool:
            # in a thread that PyTorch has not seen before
            assert pool.submit(inside, Linear(), split, HOW).result()["threads"] == 1
            assert pool.submit(torch.get_num_threads).result() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


def test_deterministic_is_asked_of_pytorch_inside_a_step_and_put_back_outside(split):
    before = switches()
    exact = inside(Linear(), split, replace(HOW, deterministic=True))
    fast = inside(Linear(), split, HOW)
    assert switches() == before
    assert not before["deterministic"]
    assert (exact["deterministic"], exact["benchmark"], exact["convolutions"]) == (True, False, "ieee")
    assert (fast["deterministic"], fast["benchmark"], fast["convolutions"]) == (False, True, "ieee")


def test_a_person_who_asked_pytorch_for_determinism_has_it_in_training_too(split):
    torch.use_deterministic_algorithms(True)
    try:
        seen = inside(Linear(), split, HOW)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert (seen["deterministic"], seen["benchmark"]) == (True, False)


def test_of_trainings_inside_one_another_all_are_deterministic_if_one_is_and_the_last_one_out_restores(split):
    class Nested(Linear):
        inner, seen = None, None

        def forward(self, x):
            if self.training and self.inner:
                next(self.inner)
                self.seen = switches()
            return super().forward(x)

    before = switches()
    for outer, inner in ((True, False), (False, True)):
        model = Nested()
        model.inner = train(Linear(), split, replace(HOW, deterministic=inner))
        next(train(model, split, replace(HOW, deterministic=outer)))
        assert (model.seen["deterministic"], model.seen["benchmark"]) == (True, False)
        assert switches() == before


@pytest.mark.parametrize("device", DEVICES)
def test_deterministic_trainings_are_equal_to_the_bit(split, spec, device):
    how = replace(RESUMABLE, deterministic=True, augment="crop-flip")
    one, other = ([*train(build(spec), split, how, device=device)][-1] for _ in range(2))
    assert_same_tensors(one.checkpoint().tensors, other.checkpoint().tensors)
    assert_same_history(one.run(), other.run())


# What stays on the device


class Transfers(TorchDispatchMode):
    """Counts what brings numbers to the host, or to another device."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        moved = (
            isinstance(out, torch.Tensor)
            and isinstance(args[0] if args else None, torch.Tensor)
            and out.device != args[0].device
        )
        self.count += moved or function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return out


@pytest.mark.parametrize("device", DEVICES)
def test_the_numbers_of_many_steps_come_to_the_host_at_once(split, spec, monkeypatch, device):
    lists, to_list = [], torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: lists.append(tensor.shape) or to_list(tensor))
    events = train(
        build(spec), split, replace(HOW, log_every=4, epochs=4, test_every=100, augment="crop-flip"), device=device
    )
    next(events)  # steps 1 to 4: the first epoch's order goes to the device
    next(events)
    lists.clear()
    with Transfers() as transfers:
        event = next(events)  # 9 to 12: an epoch began at 7, and the next begins at 13
    assert event.step == 12
    assert transfers.count == (device != "cpu")  # of this list
    assert lists == [(2, 4)]  # the losses and mistakes of four steps


@pytest.mark.parametrize("device", DEVICES)
def test_devices_agree(split, spec, device):
    """One step: what more of them make of different rounding is another matter."""
    how = replace(HOW, augment="crop-flip", deterministic=True)
    here, there = build(spec), build(spec)
    one, other = next(train(here, split, how, device="cpu")), next(train(there, split, how, device=device))
    assert other.loss == pytest.approx(one.loss, rel=1e-5)
    for name, tensor in here.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name].cpu(), tensor, rtol=1e-3, atol=1e-5, msg=name)


# Memory


def test_a_net_of_1202_layers_trains_a_step_within_4_gigabytes():
    """The paper's deepest, on digits at width 8 and batches of 128, in a process of its own: 1.2 GB when measured."""
    code = """
import resource, sys
from reslab import NetSpec, TrainSpec, build, digits
from reslab.train import train
split = digits()
event = next(train(build(NetSpec(depth=1202, width=8, **split.shape)), split, TrainSpec(capture_every=1), device="cpu"))
unit = 1 if sys.platform == "darwin" else 1024
print(event.step, len(event.layers), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    step, blocks, peak = map(int, done.stdout.split())
    assert (step, blocks) == (1, 600)
    assert peak < 4e9
