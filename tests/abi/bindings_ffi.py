"""Loads the C declarations of the Python bindings, without loading the library."""

import importlib.util


def load(path):
    spec = importlib.util.spec_from_file_location("dkvb_ffi", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
