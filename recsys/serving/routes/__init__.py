"""One router a resource. A module here with a ``router`` is taken into the app by `recsys.serving.app`."""
