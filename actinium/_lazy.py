"""What is told to parts of torch that most programs never import, when they are imported: importing them for it would
take many times as long as all of actinium."""

import sys
from importlib.abc import MetaPathFinder


class _Hook(MetaPathFinder):
    def __init__(self, name, then):
        self.name, self.then = name, then

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        specs = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs))
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            sys.meta_path.remove(self)
            self.then()

        spec.loader.exec_module = exec_module
        return spec


def when_imported(name, then):
    """Calls then() when the module has been imported; now if it was."""
    if name in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Hook(name, then))
