"""Turn the events of Frigate, a recorder for cameras, into reports.

    python examples/frigate_events.py http://frigate:5000 reports/ [--camera front] [--label person]
    python examples/frigate_events.py http://frigate:5000 reports/ --follow [--mqtt broker:1883] [--describe]

Each event that has ended and has a clip becomes a report, once; an event whose report is there is left out. `--follow`
asks for new events every half minute, or hears of them from an MQTT broker (`pip install paho-mqtt`). `--describe` sets
the description of the event in Frigate, where its search finds it.

The API is that of Frigate 0.14 and later: GET /api/events and /api/events/ID/clip.mp4, POST /api/events/ID/description,
and the topic frigate/events.
"""

from __future__ import annotations

import argparse
import json
import queue
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

import framelens

_CLIP_TRIES = 3
"""Frigate finishes a clip some seconds after its event has ended."""


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write reports on Frigate's events.")
    parser.add_argument("frigate", help="address of Frigate")
    parser.add_argument("output", type=Path, help="folder for the reports and clips")
    parser.add_argument("--camera")
    parser.add_argument("--label")
    parser.add_argument("--limit", type=int, default=100, help="most events of the past")
    parser.add_argument("--follow", action="store_true", help="wait for further events")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two requests")
    parser.add_argument("--mqtt", metavar="HOST[:PORT]", help="hear of events from this broker")
    parser.add_argument("--topic", default="frigate", help="Frigate's topic_prefix")
    parser.add_argument("--describe", action="store_true", help="set the description of each event in Frigate")
    parser.add_argument("--no-model", action="store_true")
    return parser.parse_args()


def past_events(frigate: httpx.Client, given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the ended events with a clip, the oldest first."""
    wanted = {"cameras": given.camera, "labels": given.label, "has_clip": 1, "limit": given.limit}
    answer = frigate.get("/api/events", params={key: value for key, value in wanted.items() if value})
    return [event for event in reversed(answer.raise_for_status().json()) if event.get("end_time")]


def polled_events(frigate: httpx.Client, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the events of the past, and with `--follow` those that end later; Frigate may be away in between."""
    while True:
        try:
            yield from past_events(frigate, given)
        except httpx.HTTPError as error:
            if not given.follow:
                raise
            print(f"Frigate at {given.frigate} does not answer ({error}); trying again", flush=True)
        if not given.follow:
            return
        time.sleep(given.every)


def reported_events(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the events that a broker reports as ended; the broker may be away in between."""
    from paho.mqtt import client as mqtt

    host, _, port = given.mqtt.partition(":")
    messages: queue.Queue[bytes] = queue.Queue()
    broker = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    broker.on_connect = lambda *_: broker.subscribe(f"{given.topic}/events")
    broker.on_connect_fail = lambda *_: print(f"The broker at {given.mqtt} does not answer; trying again", flush=True)
    broker.on_message = lambda _client, _data, message: messages.put(message.payload)
    broker.reconnect_delay_set(1, max(1, int(given.every)))
    broker.connect_async(host, int(port or 1883))
    broker.loop_start()
    while True:
        message = json.loads(messages.get())
        event = message.get("after") or {}
        is_wanted = given.camera in (None, event.get("camera")) and given.label in (None, event.get("label"))
        if message.get("type") == "end" and event.get("has_clip") and is_wanted:
            yield event


def fetch_clip(frigate: httpx.Client, event_id: str, target: Path, pause: float) -> bool:
    """Fetch the clip of an event, and return whether there is one."""
    for tries in range(_CLIP_TRIES):
        if tries:
            time.sleep(pause)
        with frigate.stream("GET", f"/api/events/{event_id}/clip.mp4") as answer:
            if not answer.is_success:
                continue
            part = target.with_suffix(".part")
            with part.open("wb") as file:
                file.writelines(answer.iter_bytes())
            part.replace(target)
            return True
    return False


def report_on(
    event: dict[str, Any], frigate: httpx.Client, session: framelens.Session, given: argparse.Namespace
) -> bool:
    """Write the report on an event, unless it is there; return whether there is one now."""
    event_id = str(event["id"])
    started = time.strftime("%Y-%m-%d %H-%M-%S", time.localtime(event["start_time"]))
    name = re.sub(r"[^\w.-]+", "_", f"{started} {event.get('camera')} {event.get('label')} {event_id}")
    report, clip = given.output / f"{name}.html", given.output / f"{name}.mp4"
    if report.exists():
        return True
    try:
        if not fetch_clip(frigate, event_id, clip, min(given.every, 5.0)):
            print(f"{name}: Frigate has no clip of it", flush=True)
            return False
        analysis = session.analyse(clip, f"What does the {event.get('label')} do?", use_model=not given.no_model)
        framelens.save_report(analysis, report)
        print(f"{name}: {analysis.brief or f'{len(analysis.keyframes)} keyframes'}", flush=True)
        if given.describe and analysis.brief:
            said = frigate.post(f"/api/events/{event_id}/description", json={"description": analysis.brief})
            said.raise_for_status()
    except (framelens.InputError, httpx.HTTPError) as error:  # this event; the next may be right
        print(f"{name}: {error}", flush=True)
    return report.exists()


def main() -> int:
    """Write reports; return the number of events without one."""
    given = read_arguments()
    given.output.mkdir(parents=True, exist_ok=True)
    failures = 0
    with httpx.Client(base_url=given.frigate, timeout=60) as frigate, framelens.Session(language="en") as session:
        events = reported_events(given) if given.mqtt and given.follow else polled_events(frigate, given)
        for event in events:
            failures += not report_on(event, frigate, session, given)
    return failures


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (framelens.AppError, httpx.HTTPError, OSError) as error:  # the engine, Frigate or the disk
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
