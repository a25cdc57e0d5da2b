"""One module per lesson, one function per claim: each trains or measures real nets and returns a tidy frame."""

import pkgutil

import lazy_loader

MODULES = [module.name for module in pkgutil.iter_modules(__path__)]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=MODULES)
