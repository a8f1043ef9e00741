"""Long work in the background: refits and imports, and how far they are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import desc, insert, update

from recsys.store.sql.rows import Rows, checked_count
from recsys.store.sql.schema import JOBS, checked

State = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job; times are epoch seconds, ``progress`` any JSON, ``ended_at`` None while it runs."""

    job_id: str
    kind: str
    state: State
    progress: Any
    started_at: int
    ended_at: int | None = None


class Jobs(Rows):
    """The jobs of one tenant."""

    table = JOBS

    def start(self, kind: str, progress: Any = None) -> Job:
        """Keep a new running job and return it."""
        job = Job(
            job_id=f"job_{secrets.token_hex(12)}", kind=checked(kind, "kind"), state="running",
            progress={} if progress is None else progress, started_at=self.clock(),
        )  # fmt: skip
        with self.database.begin() as connection:
            connection.execute(
                insert(JOBS), {"tenant": self.tenant, **{n: getattr(job, n) for n in Job.__dataclass_fields__}}
            )
        return job

    def progress(self, job_id: str, progress: Any) -> bool:
        """Say how far a job is; return whether it is one that runs."""
        return self._change(job_id, progress=progress)

    def end(self, job_id: str, state: Literal["done", "failed"], progress: Any) -> bool:
        """End a job, ``progress`` being its result or its error; return whether it was one that ran."""
        return self._change(job_id, state=state, progress=progress, ended_at=self.clock())

    def get(self, job_id: str) -> Job | None:
        """Return one job, None if there is none."""
        return self._one(Job, self._mine().where(JOBS.c.job_id == job_id))

    def every(self, limit: int = 100) -> list[Job]:
        """Return the latest jobs, latest first."""
        order = (desc(JOBS.c.started_at), JOBS.c.job_id)
        return self._every(Job, self._mine().order_by(*order).limit(checked_count(limit)))

    def _change(self, job_id: str, **values: Any) -> bool:
        running = (JOBS.c.tenant == self.tenant, JOBS.c.job_id == job_id, JOBS.c.state == "running")
        with self.database.begin() as connection:
            return bool(connection.execute(update(JOBS).where(*running).values(**values)).rowcount)
