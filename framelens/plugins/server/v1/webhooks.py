"""Routes for webhooks: addresses that are informed when the jobs of a key have ended."""

from fastapi import APIRouter

from framelens.plugin.api import ANALYST, VIEWER, ServicesDep
from framelens.plugins.server.api_records import ApiStore, WebhookRow
from framelens.plugins.server.parts import webhooks_of
from framelens.plugins.server.v1.dependencies import KeyDep
from framelens.plugins.server.v1.schemas import NewWebhook, Webhook, WebhookCreated

router = APIRouter(tags=["webhooks"])
_SHOWN = 20  # messages of a webhook


@router.post("/webhooks", dependencies=[ANALYST], status_code=201)
def create_webhook(body: NewWebhook, services: ServicesDep, key: KeyDep) -> WebhookCreated:
    """Add a webhook for the jobs that this key submits from now on; the answer has the secret of its signatures.

    Messages are signed as Standard Webhooks describes it, and sent again for hours until the receiver answers with 2xx.
    """
    row = webhooks_of(services).add(key, body.url)
    return WebhookCreated(id=row.id, url=row.url, created=row.created, secret=row.secret)


@router.get("/webhooks", dependencies=[VIEWER])
def list_webhooks(services: ServicesDep, key: KeyDep) -> list[Webhook]:
    """List the webhooks of this key with the newest messages to each."""
    store = ApiStore(services.store)
    return [_with_messages(store, row) for row in store.webhooks(key.id)]


@router.get("/webhooks/{webhook_id}", dependencies=[VIEWER])
def get_webhook(webhook_id: str, services: ServicesDep, key: KeyDep) -> Webhook:
    """Get a webhook of this key with the newest messages to it."""
    store = ApiStore(services.store)
    return _with_messages(store, store.webhook(webhook_id, key.id))


@router.delete("/webhooks/{webhook_id}", dependencies=[ANALYST], status_code=204)
def delete_webhook(webhook_id: str, services: ServicesDep, key: KeyDep) -> None:
    """Delete a webhook of this key; messages that wait are not sent."""
    store = ApiStore(services.store)
    store.delete_webhook(store.webhook(webhook_id, key.id).id)


def _with_messages(store: ApiStore, row: WebhookRow) -> Webhook:
    return Webhook.of(row, store.deliveries(row.id, _SHOWN))
