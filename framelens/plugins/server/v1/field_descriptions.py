"""Sentences of the OpenAPI document about parameters and fields whose names mean the same in every place."""

from collections.abc import Iterator
from typing import Any

_DESCRIPTIONS = {
    "answers": "The questions and their answers, the oldest first.",
    "attempts": "How often it was sent.",
    "cited": "Pictures that the answer cites.",
    "clock": "The time as a player shows it.",
    "conversation_id": "Id of a conversation.",
    "created": "Time at which it was made, in ISO 8601.",
    "deliveries": "The newest messages to it.",
    "end_seconds": "End in the video; by default that of the video.",
    "error": "Why it failed.",
    "every_seconds": 'Distance between the frames of the strategy "every".',
    "findings": "Number of findings.",
    "frames": "Number of keyframes.",
    "has_report": "Whether a report can be read.",
    "id": "Its id.",
    "is_certain": "Whether the search has no doubt about it.",
    "job": "Id of the job.",
    "job_id": "Id of the job.",
    "jobs": "The jobs.",
    "kind": "What it is.",
    "language": "Language of the report and of answers, zh or en.",
    "last-event-id": "Id of the last event that was received; the stream continues after it.",
    "limit": "Most entries of the answer.",
    "model": "Name of the model, empty without a model.",
    "name": "Its name.",
    "names": "A name for each letter.",
    "number": "Its place, from 1.",
    "offset": "Number of entries before the first entry of the answer.",
    "path": "Path of the file on the server.",
    "pieces": "Parts of the video.",
    "question": "What is asked about the video.",
    "received_bytes": "Number of bytes that have arrived.",
    "reports": "Formats in which reports can be read.",
    "seconds": "Time in the video.",
    "secret": "Key of the signatures of messages (HMAC-SHA256).",
    "size_bytes": "Size of the file.",
    "source": "Where the video is.",
    "speakers": "Number of people who speak; 0 guesses it.",
    "stage": "Part of the analysis that runs.",
    "start_seconds": "Start in the video; by default its beginning.",
    "state": "How far it is.",
    "status": "Status of the answer.",
    "step": "Steps of the stage that are done.",
    "strategy": "How the frames are chosen.",
    "tag": "A tag that the analysis must have.",
    "tags": "Tags that people gave it.",
    "template": "Key of the template that asks the model.",
    "templates": "Keys of the templates.",
    "text": "Words of a model, or empty.",
    "times_seconds": 'Times of the frames of the strategy "times".',
    "title": "Headline that the model gave the video.",
    "total": "All steps of the stage, if their number is known.",
    "type": "Kind of the source.",
    "upload_id": "Id of an upload.",
    "url": "The address.",
    "version": "Version of FrameLens.",
    "webhook_id": "Id of a webhook.",
}


def describe_fields(document: dict[str, Any]) -> None:
    """Describe the parameters and fields of an OpenAPI document that have no sentence of their own."""
    for name, described in _fields(document):
        if sentence := _DESCRIPTIONS.get(name.lower()):
            described.setdefault("description", sentence)


def _fields(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from ((parameter["name"], parameter) for parameter in operation.get("parameters", ()))
    for schema in document["components"]["schemas"].values():
        yield from schema.get("properties", {}).items()
