"""Results in words: the sentence under a chart and its alternative for screen readers; one module for each of
`figures`.

Which net is worse, or whether seeds overlap, is computed in `reslab.results`; what is decided here is which words the
numbers of its tables allow.
"""

import pkgutil

import lazy_loader

MODULES = [module.name for module in pkgutil.iter_modules(__path__)]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
