"""Shared parts are written into docstrings wherever a docstring names one."""

import inspect
import pkgutil
import re
from importlib import import_module

import sklearn_scan
from sklearn_scan.core.docs import share_docs


def documented_objects():
    for module in pkgutil.walk_packages(sklearn_scan.__path__, "sklearn_scan."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(import_module(module.name)).values():
            if inspect.isclass(value) or inspect.isfunction(value):
                yield value


def test_no_part_is_left_out():
    unfilled = {
        f"{each.__module__}.{each.__qualname__}"
        for each in documented_objects()
        if re.search(r"^\s*\{\w+\}$", each.__doc__ or "", re.MULTILINE)
    }
    assert unfilled == set()


def test_a_function_without_docstring_stays_without():
    def plain(): ...

    assert share_docs(x="x : int")(plain) is plain
    assert plain.__doc__ is None


def test_lines_keep_their_indentation():
    @share_docs(
        sizes="""
            n : int
                How many.
        """
    )
    def described():
        """Do something.

        Parameters
        ----------
        {sizes}
        m : int
            How many more.
        """

    assert described.__doc__.splitlines()[4:] == [
        "n : int",
        "    How many.",
        "m : int",
        "    How many more.",
    ]
