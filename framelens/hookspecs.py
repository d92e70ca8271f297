"""Hooks that plugins implement, for pluggy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pluggy

Role = Literal["viewer", "analyst", "administrator"]
_spec = pluggy.HookspecMarker("framelens")


@dataclass(frozen=True)
class Page:
    """A page of the application.

    Attributes:
        icon: Icon of Material Symbols, as ":material/monitoring:".
        draw: Function that draws it with the `framelens.plugin_page.PageTools` it gets, as "module:function".
        role: Least role of a user who sees it.
    """

    icon: str
    draw: str
    role: Role = "viewer"


class Hooks(Protocol):
    """What a plugin may add. Objects are named as "module:object" and imported when they are used.

    Types without a module are in the modules of `framelens.plugin`.
    """

    @_spec
    def commands(self) -> Mapping[str, str]:
        """Return commands of click by their names; the list of commands has the text `cli.NAME_command`.

        A name of two words is a subcommand of a group that plugins share, such as "admin users".
        """

    @_spec
    def pages(self) -> Mapping[str, Page]:
        """Return pages of the application by the ends of their addresses; the title is the text `ui.page_NAME`."""

    @_spec
    def parts(self) -> Mapping[str, str]:
        """Return functions by the places that they are for.

        In pages, each gets the `framelens.plugin_page.PageTools` that it draws with before what is named here:

        - analyse.page(job): draws at the top of the Analyse page; true if that is the whole page. The job may be None.
        - analyse.several(name, videos, request): begins the analyses of several videos and opens them on the page. A
          video is its name and its path, or the error if it can't be used.
        - analyse.source(): draws one more way to choose a video, below the drop area.
        - library.actions(job_ids): draws beside the buttons for the chosen reports of the Library.
        - library.field(): draws beside the search field of the Library.
        - library.moments(query): draws what else is found for the `LibraryQuery` of the page, above the reports; true
          if no reports are to be listed.
        - login(): draws the page of visitors who aren't logged in.
        - menu(): draws at the end of the menu of users who are.
        - models.experts(catalogue): draws in the folded part of the Models page.
        - models.extra(catalogue): draws on the Models page.
        - range.action(): returns an `framelens.plugin_page.RangeAction` for ranges of a video, whose button is at each
          finding, chapter, interval and search hit, and at a range drawn in the player.
        - report.actions(job, analysis): draws in the menu of a report.
        - report.document(job, analysis): draws the content of a report; true if nothing else is drawn there.
        - report.files(job, analysis): draws below the files of a report, where the user may change something.
        - sidebar(): draws below the list of work.
        - work.groups(): yields rows of the sidebar, each of several analyses (`framelens.plugin_page.RowGroup`).

        In commands and services:

        - api: a router of FastAPI with routes for programs; the plugin `server` serves them below /api/v1, and each
          depends on the role `VIEWER` or `ANALYST`.
        - ask.embeddings(settings): returns the `PictureEmbedder` that compares pictures with a question, or None.
        - ask.finder(settings): returns the `MomentFinder` whose ranges a search looks at first, or None.
        - audit(store, action, object_id, object_name): records what the user of the context has done.
        - authentication(store, settings): returns the `LoginSessions`, which know the users of requests and pages by
          their cookies. Where there are accounts and no plugin does so, every request is refused.
        - cli.several(inputs, code_of, settings, options, output): runs `framelens analyse` with several
          videos, and returns the exit code.
        - dialects(): returns the `Dialects` of engines other than vLLM; the first plugin's are used.
        - doctor.checks(settings): yields findings of `framelens doctor` about the plugin
          (`CheckFinding`).
        - download.speech(options, settings): downloads the model that transcribes speech, with `options.speakers` the
          models that separate speakers, for `framelens download`, and returns the exit code.
        - launch.checks(settings, folder): returns findings (`CheckFinding`) before a local engine starts, the worst
          first, about the model in a folder, or the settings' model if that is None.
        - library.check(services, hits, words, cancel): returns `MomentHits` with what the model says of the best.
        - library.search(settings, store, jobs): returns the `LibrarySearch` that searches a library by more than words,
          or None.
        - link.page(url, outbound, cancel): returns the `RemoteVideo` of a page; InputError
          "url_no_video" if it has no video.
        - mcp.tools(): yields functions, each a tool of the MCP server with the name of the function
          (`ToolCall`).
        - report.offers(services, job): returns what an earlier report offers to a finished one as JSON values, or None;
          `text` is a sentence, and `command` the command line that accepts it.
        - resume(services): continues unfinished work of earlier processes of the application.
        - routes(gate, prefix): returns Starlette routes whose addresses begin with the prefix.
        - speech.diariser(settings): returns the `LocalDiariser` that separates speakers, or None.
        - speech.recogniser(settings): returns what transcribes speech, or None; a `LocalRecogniser` needs no server.
        - subtitles(): returns the `SubtitleForms` that decoders read further forms with; the first plugin's are used.
        """

    @_spec
    def report_formats(self) -> Mapping[str, Any]:
        """Return each `ReportFormat` by its name; its functions may be `lazy`."""

    @_spec
    def sources(self) -> Mapping[str, str]:
        """Return functions by the beginning of the addresses that they read, such as "camera:".

        Each takes the address that was typed in place of a file and returns the path of a video on this machine; an
        AppError says why there is no video.
        """
