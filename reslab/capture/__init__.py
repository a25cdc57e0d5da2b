"""What happens inside a net, yours included: activations and gradients of every block, at every step.

    with capture(model) as trace:                      # any nn.Module, on any device, in any mode
        loss(model(x), y).backward()
    trace.frame()                                      # one row per module: RMS, mean, dead fraction, gradient's RMS

    capture(model, "layer[34].*")                      # which modules: by name, by class, by predicate
    capture(model, activation={"largest": torch.amax}) # which statistics: any function of a tensor
    capture(model, additions=True)                     # both sides and the sum of every x + F(x)
    capture(model, bins=torch.linspace(-3, 3, 61))     # then trace.histogram()
    capture(model, keep="layer4.*")                    # then trace.tensors["layer4.1"][0].gradient

Statistics are reduced inside the hooks, a piece of a large tensor at a time, stay on the device, and come to the host
once, in `frame()`. A warning at the end of the block says what could not be seen. Files: hooks.py has `capture`,
modules.py which modules are meant, statistics.py the numbers, trace.py what was seen, additions.py both sides of a +,
process.py what open blocks need of the whole process, unseen.py the warnings.
"""

from reslab.capture.hooks import capture
from reslab.capture.statistics import ACTIVATION_STATISTICS, GRADIENT_STATISTICS, dead, mean, rms, weight_gradients
from reslab.capture.trace import Row, Trace

__all__ = [
    "ACTIVATION_STATISTICS",
    "GRADIENT_STATISTICS",
    "Row",
    "Trace",
    "capture",
    "dead",
    "mean",
    "rms",
    "weight_gradients",
]
