"""The folder of one export in its destination: what is published there, and what is taken back.

A replica that was lost may only have been paused, and go on beside the one that has taken its export up. Each run has a
generation of file names of its own, so that neither replaces a file of the other, and its manifest names nothing else.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from polyglot_export.destinations.store import Store
from polyglot_export.destinations.stores import store
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.place import remove
from polyglot_export.errors import ManifestError, PolyglotError, TargetFailed
from polyglot_export.jobs.job import Job
from polyglot_export.manifest.document import MANIFEST, Manifest
from polyglot_export.manifest.location import read_manifest
from polyglot_export.service.logs import event

__all__ = ["DeliveryPlace"]

_log = logging.getLogger(__name__)


class DeliveryPlace:
    """Where one run writes. Its methods wait for the store: they belong into a thread.

    Args:
        url: Of the folder.
        job: Whose files they are.
        run: The number of the run.
    """

    def __init__(self, url: str, job: Job, run: int) -> None:
        self.url = url
        self.store: Store = store(url)
        self.layout = Layout(url, job.spec.format, job.spec.compression)
        self.generation = run - 1
        self._published = False

    def remove_earlier(self) -> None:
        """Remove what runs before this one have left: their replicas are lost. What cannot be removed stays, and no
        manifest names it.
        """
        if not self.generation:
            return
        try:
            self._remove(range(self.generation))
            for unfinished in self.store.unfinished():
                self.store.end(unfinished)
        except PolyglotError as error:
            event(_log, logging.WARNING, "files of a lost replica not removed", place=self.url, reason=str(error))

    def publish(self, content: bytes) -> None:
        """Write the manifest, with which the set is there.

        Raises:
            TargetFailed: A later run has written its own, or the store does not take it.
        """
        self._published = True
        if self.store.create(MANIFEST, content):
            return
        if self._generation_there() >= self.generation:
            self._published = False
            raise TargetFailed(f"another run has written its manifest into {self.url}")
        self.store.replace(MANIFEST, content)

    def take_back(self, paths: frozenset[str]) -> None:
        """Remove what this run has written. Never raises.

        Args:
            paths: Its files.
        """
        # Without its manifest, a half set is none.
        manifest = [MANIFEST] if self._published else []
        left = [*remove(self.store, frozenset(manifest)), *remove(self.store, paths)]
        self.store.remove_if_empty()
        if left:
            event(_log, logging.WARNING, "files of a failed delivery not removed", place=self.url, files=len(left))

    def _remove(self, generations: range) -> None:
        if self._generation_there() in generations:
            self.store.remove(MANIFEST)
        for file in list(self.store.files()):
            if self.layout.generation_of(file.path) in generations:
                self.store.remove(file.path)

    def _generation_there(self) -> int:
        """The generation of the manifest that is there; -1 where there is none, or one that names no file."""
        with suppress(ManifestError):
            return max(map(self._generation, _paths(read_manifest(self.store, MANIFEST))), default=-1)
        return -1

    def _generation(self, path: str) -> int:
        found = self.layout.generation_of(path)
        return -1 if found is None else found


def _paths(manifest: Manifest) -> list[str]:
    return [part.path for relation in manifest.relations for part in relation.parts]
