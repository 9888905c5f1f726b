"""Classes made from a layer's own, so that a surgery changes what a layer does, not which it is.

A verb that exchanged a layer for another would have to find every place that refers to it: a list
that is not registered, an optimizer, a hook's handle. A layer that is given another class stays
where it is, with its parameters, hooks, device, mode and sharing. PyTorch's parametrizations do the
same.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Derived:
    """Base of what a surgery adds to a layer's class.

    A layer of such a class can be copied and pickled, though the class has no module to be found
    in.
    """

    prefix: ClassVar[str]
    """What the class's name begins with, before the name of the layer's own."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        added: list[type[Derived]] = []
        cls: Any = type(self)
        while issubclass(cls, Derived):
            what, cls = cls.__bases__
            added.append(what)
        return _new, (cls, *reversed(added)), self.__getstate__()


_CLASSES: dict[tuple[type, type], type] = {}


def derived(what: type[Derived], base: type) -> type:
    """The class of layers of `base` to which `what` is added, always the same one.

    >>> class Loud(Derived):
    ...     prefix = "Loud"
    >>> derived(Loud, dict).__name__, derived(Loud, dict) is derived(Loud, dict)
    ('LoudDict', True)
    """
    if (what, base) not in _CLASSES:
        name = what.prefix + base.__name__[:1].upper() + base.__name__[1:]
        members = {"__module__": base.__module__, "__doc__": base.__doc__}
        _CLASSES[what, base] = type(name, (what, base), members)
    return _CLASSES[what, base]


def _new(base: type, *added: type[Derived]) -> Any:
    cls: Any = base
    for what in added:
        cls = derived(what, cls)
    return cls.__new__(cls)


def own_class(module: object) -> type:
    """The class of a layer without what surgeries have added.

    >>> class Loud(Derived):
    ...     prefix = "Loud"
    >>> own_class(derived(Loud, dict)()).__name__
    'dict'
    """
    cls: type = type(module)
    while issubclass(cls, Derived):
        cls = cls.__bases__[1]
    return cls
