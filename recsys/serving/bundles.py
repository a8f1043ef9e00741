"""The bundles of a service: one folder a tenant, in it one a bundle, named by its id and never changed once there."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from recsys.bundle import Bundle, copy_bundle, open_bundle
from recsys.engine import Engine
from recsys.errors import ArtifactMissing, ModelError

WRITING = ".writing-"
KEPT = 5  # bundles of a tenant that are kept beside those in use
_ID = re.compile(r"[0-9a-f]{16}")


class Bundles:
    """The bundles of one tenant below ``folder``."""

    def __init__(self, folder: Path, tenant: str) -> None:
        self.folder = folder / tenant

    def path(self, bundle_id: str) -> Path:
        """Return where a bundle lies. Raises `ArtifactMissing` for one that is not there."""
        path = self.folder / bundle_id
        if not _ID.fullmatch(bundle_id) or not path.is_dir():
            raise ArtifactMissing(f"there is no bundle {bundle_id!r}")
        return path

    def every(self) -> list[Bundle]:
        """Return the bundles, the newest first; what cannot be read is left out."""
        found: list[Bundle] = []
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            if _ID.fullmatch(path.name):
                try:
                    found.append(open_bundle(path, verify=False))
                except ModelError:
                    continue
        return sorted(found, key=lambda one: str(one.manifest["created"]), reverse=True)

    def load(self, bundle_id: str, store: Any) -> Engine:
        """Return an engine over the store, every file checked by its sha256.

        Raises:
            ModelError: the bundle is missing, damaged, or not of this store.
        """
        return Engine.load(self.path(bundle_id), store)

    def add(self, source: Path) -> str:
        """Copy the current version of a bundle from elsewhere and return its id; one that is there stays."""
        bundle_id = open_bundle(source).id
        if not (self.folder / bundle_id).is_dir():
            copy_bundle(source, self.begin(bundle_id))
            self.finish(bundle_id)
        return bundle_id

    def begin(self, name: str) -> Path:
        """Return an empty folder to write a bundle to; `finish` gives it its place."""
        place = self.folder / f"{WRITING}{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        return place

    def finish(self, name: str) -> str:
        """Put what was written after `begin` in its place, in one step, and return its id."""
        place = self.folder / f"{WRITING}{name}"
        bundle_id = open_bundle(place, verify=False).id
        if (self.folder / bundle_id).is_dir():  # the same files, byte for byte: the id is their hash
            shutil.rmtree(place)
        else:
            os.replace(place, self.folder / bundle_id)
        return bundle_id

    def prune(self, used: Collection[str], kept: int = KEPT) -> list[str]:
        """Remove all but those in use and the ``kept`` newest others; return the ids of what is gone."""
        spare = [one.id for one in self.every() if one.id not in used]
        for bundle_id in spare[kept:]:
            shutil.rmtree(self.folder / bundle_id, ignore_errors=True)
        return spare[kept:]
