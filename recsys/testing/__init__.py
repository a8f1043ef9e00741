"""The public conformance kit: what every plug-in of recsys is held to.

`recsys.testing.kits` has one class of checks per kind of component, `recsys.testing.worlds` small data sets whose
right answer is known, `recsys.testing.fakes` small working components, `recsys.testing.strategies` Hypothesis
strategies. `recsys.testing.plugin` is loaded by pytest itself, so its fixtures need no import. Nothing here is
imported by the engine: pytest and hypothesis are needed by tests alone.
"""
