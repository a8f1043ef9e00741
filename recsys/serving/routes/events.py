"""``/v1/events``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter

from recsys.serving import ingest
from recsys.serving.calls import told
from recsys.serving.keys import Caller
from recsys.serving.service import Shared, needs
from recsys.serving.shapes.events import EventsIn, EventsOut

router = APIRouter(prefix="/v1", tags=["events"])


@router.post("/events", status_code=202, response_model=EventsOut)
async def log(body: EventsIn, caller: Annotated[Caller, needs("ingest")], service: Shared) -> Any:
    """Log a batch of at most 1,000 events; the shoppers' next lists reflect them.

    Each event is judged by itself. What is accepted is stored for good when this answers; an event with an
    ``event_id`` may be sent again until then.
    """
    answer = await told(service, caller, ingest.log_events, body)
    service.metrics.events(answer["accepted"], answer["duplicates"], answer["rejected"])
    return answer
