"""Order in which waiting jobs run: users take turns, so that many jobs of one don't hold up the only one of another."""

from collections import Counter
from collections.abc import Iterable, Mapping

from framelens.jobs.snapshot import JobSnapshot


def in_turns(
    waiting: Iterable[JobSnapshot], running: Iterable[JobSnapshot], served: Mapping[str, int]
) -> list[JobSnapshot]:
    """Return the waiting jobs in the order in which they will run, unless the running jobs change it.

    The user with the fewest running jobs comes first, then the one who has waited longest. A priority counts among the
    jobs of one user, and jobs of the same priority keep their order.

    Args:
        waiting: Jobs in the order of their submission.
        running: Jobs that run.
        served: When each user's last job began, counted in jobs.
    """
    turns = Counter(job.user_id for job in running)
    order = []
    for job in sorted(waiting, key=lambda job: -job.priority):
        order.append(((turns[job.user_id], served.get(job.user_id, 0)), job))
        turns[job.user_id] += 1
    return [job for _, job in sorted(order, key=lambda pair: pair[0])]
