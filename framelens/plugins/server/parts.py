"""What the plugin keeps for as long as the services are open: the jobs of programs, and the messages about them."""

from framelens.plugin import Services
from framelens.plugin.links import LinkFetcher, Outbound
from framelens.plugins.server.submissions import Submissions
from framelens.plugins.server.webhooks import Webhooks


def submissions_of(services: Services) -> Submissions:
    """Return the jobs that programs submit through the HTTP API."""
    return services.part("submissions", _submissions)


def webhooks_of(services: Services) -> Webhooks:
    """Return the messages to programs about these jobs."""
    return services.part("webhooks", lambda opened: Webhooks(opened.store, Outbound(opened.settings.sources)))


def resume(services: Services) -> None:
    """Continue what programs have submitted to earlier processes, and send the messages that wait."""
    submissions_of(services).resume()
    webhooks_of(services).begin()


def _submissions(opened: Services) -> Submissions:
    links = LinkFetcher(opened.videos, opened.settings.sources)
    return Submissions(opened.store, opened.videos, opened.jobs, links, opened.log_path)
