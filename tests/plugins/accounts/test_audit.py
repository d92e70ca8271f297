"""What the audit log says of work in the core."""

from starlette.testclient import TestClient

from framelens.composition import Services
from framelens.core.domain import AnalysisRequest
from framelens.core.roles import as_user
from framelens.plugins.accounts.audit import entries
from framelens.store.authentication import COOKIE
from tests.app.fake_services import ended
from tests.reports.test_questions import asked
from tests.users import ADA, BEN, with_sessions


def test_the_audit_log_says_who_did_what(services: Services, client: TestClient) -> None:
    with_sessions(services, ADA, BEN)
    with as_user(BEN):
        path = services.videos.path(services.videos.sample())
        job = ended(services, services.jobs.submit(AnalysisRequest(path), name="sample.mp4"))
        imported = services.reports.add(asked())
        (conversation,) = services.conversations.find(analysis_ids=[imported])
    client.cookies.set(COOKIE, "ben")
    exported = client.get(f"/api/library.zip?ids={job.id}", headers={"FrameLens-Key": "key of ben"})
    assert exported.status_code == 200
    with as_user(BEN):
        services.conversations.discard(conversation.id)
    with as_user(ADA):
        services.jobs.remove(job.id)
    logged = [(entry.user_name, entry.action, entry.object_id) for entry in reversed(entries(services.store, limit=99))]
    assert logged == [
        ("ben", "analyse", job.id),
        ("ben", "import", imported),
        ("ben", "export", job.id),
        ("ben", "trash", conversation.id),
        ("ada", "delete", job.id),
    ]
    (deletion,) = entries(services.store, limit=9, actions=["delete"], user="ada")
    assert deletion.object_name == "sample.mp4"
