"""What happens inside a net, yours included: activations and gradients of every block, at every step.

    with capture(model) as trace:                      # any nn.Module, on any device, in any mode
        loss(model(x), y).backward()
    trace.frame()                                      # a row a module: RMS, mean, dead fraction; RMS of the gradient

    capture(model, "layer[34].*")                      # which modules: by name, by class, by predicate
    capture(model, activation={"largest": torch.amax}) # which statistics: any function of a tensor
    capture(model, additions=True)                     # both sides of every x + F(x), and their sum
    capture(model, bins=torch.linspace(-3, 3, 61))     # then trace.histogram()
    capture(model, keep="layer4.*")                    # then trace.tensors["layer4.1"][0].gradient

Statistics are reduced inside the hooks, stay on the device, and come to the host once, in `frame()`. statistics.py has them,
modules.py says which modules are meant, trace.py is what was seen, additions.py and hooks.py see it.
"""

from reslab.capture.hooks import capture
from reslab.capture.statistics import ACTIVATION_STATISTICS, GRADIENT_STATISTICS, dead, mean, rms, weight_gradients
from reslab.capture.trace import Row, Trace

__all__ = ["ACTIVATION_STATISTICS", "GRADIENT_STATISTICS", "Row", "Trace", "capture", "dead", "mean", "rms", "weight_gradients"]
