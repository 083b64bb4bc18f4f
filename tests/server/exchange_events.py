"""Send an event to the server of the current folder and receive it, both over a WebSocket: prints the event's name."""

from __future__ import annotations

import asyncio

from prefect.events import Event, Resource
from prefect.events.clients import get_events_client, get_events_subscriber
from prefect.events.filters import EventFilter, EventResourceFilter

RESOURCE = "sixstack.cluster.exchanged"


async def exchange() -> None:
    """The subscriber comes first."""
    about = EventFilter(resource=EventResourceFilter(id=[RESOURCE]))
    async with get_events_subscriber(filter=about, reconnection_attempts=0) as received, get_events_client() as sender:
        await sender.emit(Event(event="sixstack.test", resource=Resource({"prefect.resource.id": RESOURCE})))
        async with asyncio.timeout(30):
            print((await anext(aiter(received))).event)


asyncio.run(exchange())
