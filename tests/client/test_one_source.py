"""Both classes are one: the same methods, with the arguments of the engine."""

from __future__ import annotations

import inspect
import typing

import pytest

from recsys import Client, Engine
from recsys.client import AsyncClient

# What only a service has: methods, and arguments of methods.
OWN = {"next", "rerank", "close"}
MORE = {"add_events": ["listed", "each"]}


def methods(kind):
    return {n: f for n, f in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_")}


def test_both_have_the_same_methods_and_signatures():
    sync, awaited = methods(Client), methods(AsyncClient)
    assert list(sync) == list(awaited)
    assert len(sync) >= 23
    for name, method in sync.items():
        assert inspect.signature(method) == inspect.signature(awaited[name]), name
        assert not inspect.iscoroutinefunction(method)
        assert inspect.iscoroutinefunction(awaited[name]), name


def test_both_are_made_alike():
    given, awaited = (list(inspect.signature(kind).parameters) for kind in (Client, AsyncClient))
    assert given == awaited


@pytest.mark.parametrize("name", sorted(set(methods(Client)) - OWN))
def test_arguments_and_results_are_those_of_the_engine(name):
    ours = inspect.signature(getattr(Client, name))
    theirs = inspect.signature(getattr(Engine, name))
    kept = [p for n, p in ours.parameters.items() if n not in MORE.get(name, ())]
    assert kept == list(theirs.parameters.values())
    if name not in MORE:
        assert ours.return_annotation == theirs.return_annotation


def test_overloads_say_what_each_event_gives():
    for kind in (Client, AsyncClient):
        assert len(typing.get_overloads(kind.add_events)) == 2
