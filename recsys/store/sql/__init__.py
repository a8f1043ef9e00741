"""A shop in a database, SQLite or PostgreSQL, and what the service keeps beside it."""

from recsys.store.sql.audit import Audit, AuditEntry, Erasures, Proof
from recsys.store.sql.database import Database
from recsys.store.sql.events import Logged
from recsys.store.sql.jobs import Job, Jobs
from recsys.store.sql.keys import Key, Keys
from recsys.store.sql.lists import Lists, ServedList
from recsys.store.sql.models import Activation, Models
from recsys.store.sql.store import SqlStore

__all__ = [
    "Activation",
    "Audit",
    "AuditEntry",
    "Database",
    "Erasures",
    "Job",
    "Jobs",
    "Key",
    "Keys",
    "Lists",
    "Logged",
    "Models",
    "Proof",
    "ServedList",
    "SqlStore",
]
