"""Routes for questions about analysed videos; they share the page's conversations."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from framelens import AskSettings, Conversation, InputError, Look
from framelens.plugin import Services, language
from framelens.plugin.api import ANALYST, VIEWER, ServicesDep
from framelens.plugins.server.api_records import ApiKeyRow
from framelens.plugins.server.parts import submissions_of
from framelens.plugins.server.v1.dependencies import KeyDep, event_of, ticks
from framelens.plugins.server.v1.jobs import find_job
from framelens.plugins.server.v1.schemas import Answer, ConversationState, NewQuestion

router = APIRouter(tags=["questions"])


@router.post("/jobs/{job_id}/questions", dependencies=[ANALYST], status_code=201)
async def ask_question(
    job_id: str, body: NewQuestion, services: ServicesDep, key: KeyDep, request: Request
) -> ConversationState:
    """Ask about a job's video, and wait for the answer; an answer that takes longer is "running" meanwhile.

    The frames of the video have to be chosen, so the answer waits for a job that is at work. Set `wait_seconds` to 0
    and read the events of the conversation for an answer as it is written. A client that leaves while it waits ends
    the answer.
    """
    return await _answered(await run_in_threadpool(_start, job_id, body, services), body, services, key, request)


@router.post("/questions", dependencies=[ANALYST], status_code=201)
async def ask_library(body: NewQuestion, services: ServicesDep, key: KeyDep, request: Request) -> ConversationState:
    """Ask over all reports, and wait for the answer.

    Moments that a search finds answer which videos show a thing; for other questions they choose the reports that the
    model is asked about. Waiting and events are as for a question about a job.
    """
    return await _answered(await run_in_threadpool(_start, None, body, services), body, services, key, request)


@router.get("/conversations/{conversation_id}", dependencies=[VIEWER])
def get_conversation(conversation_id: str, services: ServicesDep) -> ConversationState:
    """Get a conversation with its answers; the last answer may still be written."""
    return find_conversation(conversation_id, services)


def find_conversation(conversation_id: str, services: ServicesDep) -> ConversationState:
    """Return a conversation with its last answer, which may be partial. Raises InputError("conversation_unknown")."""
    task = services.answers.get(conversation_id)
    if task and task.error and not task.is_running:  # the question could not be stored
        raise task.error
    progress = task.progress if task and task.is_running else None
    conversation = progress.conversation if progress else services.conversations.get(conversation_id)
    last = conversation.current
    return ConversationState(
        id=conversation.id,
        name=conversation.name,
        jobs=list(conversation.about),
        library=conversation.is_everywhere,
        created=conversation.created,
        answers=[
            Answer.of(turn, conversation.language, is_running=bool(progress) and turn.number == last)
            for turn in conversation.branch()
        ],
    )


@router.get("/conversations/{conversation_id}/events", dependencies=[VIEWER], response_class=EventSourceResponse)
async def watch_conversation(
    conversation_id: str,
    services: ServicesDep,
    key: KeyDep,
    current: Annotated[ConversationState, Depends(find_conversation)],  # before it begins: a 404 if unknown
) -> AsyncIterator[ServerSentEvent]:
    """Stream the last answer of a conversation as server-sent events until it is complete.

    Each event "answer" has all of the answer so far.
    """
    sent: Answer | None = None
    async for _ in ticks(services.store, key):
        try:
            answer = (await run_in_threadpool(find_conversation, conversation_id, services)).answers[-1]
        except InputError:
            yield ServerSentEvent(event="deleted", data={"id": conversation_id})
            return
        if answer != sent:
            yield event_of("answer", answer)
            sent = answer
        if answer.state != "running":
            return


def _start(job_id: str | None, body: NewQuestion, services: Services) -> ConversationState:
    """Start the answer to a question about a job, None for all reports, and return its conversation."""
    if job_id is not None:
        find_job(job_id, services)
        if submissions_of(services).get(job_id):
            raise InputError("no_report_yet", id=job_id)
    if body.conversation:
        conversation = services.conversations.get(body.conversation)
        if not (conversation.is_everywhere if job_id is None else job_id in conversation.about):
            raise InputError("conversation_unknown", id=body.conversation)
    else:
        conversation = Conversation.begun_about(filter(None, [job_id]), body.language or language())
    asked = conversation.with_question(body.question, AskSettings(), look=Look(everywhere=job_id is None))
    services.answers.start(asked, use_model=body.use_model)
    return find_conversation(asked.id, services)


async def _answered(
    conversation: ConversationState, body: NewQuestion, services: Services, key: ApiKeyRow, request: Request
) -> ConversationState:
    """Return a conversation once its last answer is complete, the time is over or the client has left."""
    async for _ in ticks(services.store, key, body.wait_seconds):
        conversation = await run_in_threadpool(find_conversation, conversation.id, services)
        if conversation.answers[-1].state != "running":
            break
        if await request.is_disconnected():
            await run_in_threadpool(services.answers.stop, conversation.id)
            break
    return conversation
