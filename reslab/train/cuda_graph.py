"""A training step as a CUDA graph: recorded once on a GPU, and then replayed with one launch.

A step of a small net is about a thousand short kernels, and Python launches them more slowly than a GPU runs them. A
graph holds all of them. It reads and writes the same memory at each replay: so its inputs are copied into static
tensors, and weights, statistics and momentum are changed in place, as the steps between the replays do too.
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import threading
from contextlib import contextmanager

import torch
from torch import nn

from reslab.nets.layers import RandomModule

DEVICES = ("cuda",)  # kinds of device that can record
WARM_UP = 4  # steps before a recording: in them cuDNN chooses its kernels, and torch.compile compiles
_recording = threading.Lock()  # PyTorch records one graph at a time


def records(model, how, ranks, *, described):
    """Whether the steps of a training can be recorded: on a GPU, in one process, a net of `build` that draws nothing.

    described: whether a NetSpec describes the model. A person's own model may do something in Python at each step,
    which a replay would leave out. A net with stochastic depth computes other branches at each step, and dropout's
    generator is made again at each.
    """
    draws = any(isinstance(module, RandomModule) for module in model.modules())
    return how.cuda_graph and ranks.device.type in DEVICES and ranks.world == 1 and described and not draws


@contextmanager
def own_stream(stream):
    """A training's work on a GPU in a stream of its own: others run beside it. stream: None on other devices.

    Work that was given to the device before comes first. At the end everything of the training is done.
    """
    if stream is None:
        yield
        return
    stream.wait_stream(torch.cuda.current_stream(stream.device))
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()


class RecordedStep:
    """The recording of a model's step: `take` runs the step a few times, then records it, and from then on replays it.

    model: its parameters' gradients after a replay are those of the replayed step. stream: the training's own.
    """

    def __init__(self, model, stream):
        self.model, self.stream = model, stream
        self.parameters = list(model.parameters())
        self.forget()

    def forget(self):
        """Record again, after a new warm-up."""
        self.state, self.calls, self.graph = _state(self.model), 0, None

    def forget_if_changed(self):
        """Forget a recording of a model whose modes, tensors or hooks are other ones now."""
        if self.state != _state(self.model):
            self.forget()

    def take(self, step, inputs):
        """Take one step → the tensor that it returns.

        step: the same function of tensors each time; inputs: those tensors, of the same shapes each time.
        """
        if self.calls < WARM_UP or self.has_hooks:
            self.calls += 1
            return step(*inputs)
        if self.graph is None:
            self._record(step, inputs)
        for static_input, given in zip(self.static_inputs, inputs, strict=True):
            static_input.copy_(given)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient  # a hooked step between two replays leaves gradients of its own
        return self.static_output.clone()

    @property
    def has_hooks(self):
        """Whether a module has hooks, which a replay would not call."""
        return self.state[-1]

    def _record(self, step, inputs):
        self.static_inputs = [given.clone() for given in inputs]
        with _recording:
            self.graph, self.static_output = record(step, self.static_inputs, self.stream)
        self.gradients = [parameter.grad for parameter in self.parameters]


def record(step, static_inputs, stream):
    """Record what a step does on a GPU, without doing it → the graph, and what the step returned, which each replay
    fills.

    Other threads may use the GPU meanwhile.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        output = step(*static_inputs)
    return graph, output


def _state(model):
    """What must not change for a recording to be valid: modes, tensors, which of them are trained, and hooks."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    tensors = [(t.data_ptr(), t.requires_grad) for t in (*model.parameters(), *model.buffers())]
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    hooks = any(getattr(module, kind) for module in modules for kind in kinds)
    return modes, tensors, hooks or bool(nn.modules.module._has_any_global_hook())
