"""Tidy frames in, tables and verdicts out: numbers, with no sentence and no drawing; one module for each of `figures`.

Nothing here needs torch, plotly or a browser. `figures.text` writes sentences from these results, `figures` draws them,
and the tests of claims compare them.
"""

import pkgutil

import lazy_loader

MODULES = [module.name for module in pkgutil.iter_modules(__path__)]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
