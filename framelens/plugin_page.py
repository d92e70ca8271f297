"""Pages as plugins draw them: what the application passes to their functions, and the values that those return.

Each function of a plugin that draws on a page gets a `PageTools` first. With it and Streamlit a plugin draws without
importing anything of the application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from framelens.core.errors import AppError
from framelens.reports.content.page_text import joined

if TYPE_CHECKING:
    from framelens.composition import Services
    from framelens.core.background_task import BackgroundTask
    from framelens.core.domain import Keyframe
    from framelens.core.events import EngineProgress
    from framelens.engine.base import EngineStatus
    from framelens.engine.recognisers import LocalModel
    from framelens.jobs.readiness import ModelCandidate
    from framelens.jobs.snapshot import JobSnapshot
    from framelens.store.library_index import LibraryEntry

ButtonKind = Literal["primary", "secondary", "tertiary"]
"""Weight of a button on the page."""
Options = dict[str, Any]
"""Options of a widget."""
Unit = Literal["share", "bytes", "number"]
PICTURE_SIDE = 160
"""Longest side of a row's picture in pixels."""


@dataclass
class ActionState:
    """State that actions of the reader change; `error` is the error of the last action."""

    error: AppError | None = None

    @contextmanager
    def catching_errors(self, where: Literal["error", "ask_error"] = "error") -> Iterator[None]:
        """Run an action of the reader, and keep its AppError in place of the previous action's."""
        setattr(self, where, None)
        try:
            yield
        except AppError as error:
            setattr(self, where, error)


@dataclass(frozen=True)
class SaveButton:
    """A button.

    Attributes:
        label: Its text.
        url: The address of its file.
        about: What is in the file.
    """

    label: str
    url: str
    about: str = ""


@dataclass(frozen=True)
class SaveGroup:
    """Buttons that belong together, below a caption, which may be empty; only the caption is shown if it is folded."""

    items: tuple[SaveButton, ...]
    caption: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class VideoRange:
    """A range of a video.

    Attributes:
        start_seconds: Its start, from the first picture.
        end_seconds: Its end.
        name: Name of its content, or "" if the content has no name.
        job_id: The analysis of the video, or "" without an analysis.
        video_id: The video without an analysis.
        is_cited: The edges are the times of frames that show the content, not the content's own edges.
    """

    start_seconds: float
    end_seconds: float
    name: str = ""
    job_id: str = ""
    video_id: str = ""
    is_cited: bool = False

    def value(self, action: RangeAction) -> dict[str, object]:
        """Return the range as a value for the browser, with its button's label; name "" means the name beside it."""
        edges = {"start": self.start_seconds, "end": self.end_seconds, "cited": self.is_cited}
        return {"words": action.label, **edges, "name": self.name, "job": self.job_id}


@dataclass(frozen=True)
class RangeAction:
    """What a plugin does with a range: the label of its button, and a function that is called when it is pressed."""

    label: str
    act: Callable[[VideoRange], None]


@dataclass(frozen=True)
class JobRow:
    """A row.

    Attributes:
        id: Id of the job.
        name: First line.
        facts: Second line, which distinguishes the analysis from others like it.
        status: Third line: how far it is, or how and when it ended.
        icon: Name of a state.
        state: The state in words.
        more: Facts for the tooltip, which has the facts above, too.
        is_open: Whether it is the open analysis.
        actions: Labels of its buttons by the names of their icons: first, pause, cancel.
        picture: Address of a small picture, or "" without a picture.
    """

    id: str
    name: str
    facts: Sequence[str]
    icon: str
    state: str
    status: Sequence[str] = ()
    more: Sequence[str] = ()
    is_open: bool = False
    actions: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""

    @property
    def value(self) -> dict[str, object]:
        """Return it as the browser gets it."""
        about = dict.fromkeys((self.name, self.state, *self.facts, *self.status, *self.more))
        lines = [joined(*self.facts), joined(*self.status)]
        return vars(self) | {"lines": list(filter(None, lines)), "about": joined(*about)}


@dataclass(frozen=True)
class RowGroup:
    """A row of several analyses.

    Attributes:
        row: The row.
        created: ISO time in UTC.
        job_ids: The analyses, which have no rows of their own.
        open: Shows them.
        is_moving: Whether one of them waits or runs, or is about to.
    """

    row: JobRow
    created: str
    job_ids: frozenset[str]
    open: Callable[[], None]
    is_moving: bool = False


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        label: Its name in the legend.
        values: A value for each moment, None for a gap.
        sparse: Draw dots, and show the last value that exists as the current value.
    """

    label: str
    values: Sequence[float | None]
    sparse: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines on one scale.

    Attributes:
        title: The name of the chart.
        lines: Its lines.
        unit: Shares of 1 are shown as percent, bytes as GiB.
        words: Text around a number with "{n}" for it, such as "{n} °C".
        top: Upper end of the scale, None for the highest value; the lower end is 0.
        stacked: Stack the lines on one another.
        note: A few words below the name.
        wide: Take the width of two charts.
    """

    title: str
    lines: Sequence[Series]
    unit: Unit = "number"
    words: str = "{n}"
    top: float | None = None
    stacked: bool = False
    note: str = ""
    wide: bool = False


class PageView(Protocol):
    """What a page shows: the ids in its address, and the ways to other pages."""

    error: AppError | None
    opened: bool
    open_section: str

    @property
    def video_id(self) -> str | None:
        """Return the id of the shown video."""

    @property
    def job_id(self) -> str | None:
        """Return the id of the open analysis."""

    @property
    def batch_id(self) -> str | None:
        """Return the id of the batch that is shown, or that the open analysis was reached from."""

    def catching_errors(self) -> AbstractContextManager[None]:
        """Run an action of the reader, and keep its AppError in place of the previous action's."""

    def choose_video(self, video_id: str | None) -> None:
        """Show this video (None: back to the choice of videos) and close the open analysis."""

    def choose_again(self) -> None:
        """Forget what was wrong with the previous choice of a video."""

    def open_job(self, job_id: str | None) -> None:
        """Show this analysis, or the request form for None."""

    def go_to(self, seconds: float) -> None:
        """Let the video that is shown next begin at this time."""

    def open_batch(self, batch_id: str) -> None:
        """Show this batch."""

    def go_to_page(self, page: str, part: str = "") -> None:
        """Switch to another page of the app, with this section unfolded."""


class PageTools(Protocol):
    """What the application passes to each function of a plugin that draws on a page."""

    @property
    def services(self) -> Services:
        """Return the open services; AppError if they couldn't be opened."""

    @property
    def view(self) -> PageView:
        """Return what the reader's page shows."""

    @property
    def may_change(self) -> bool:
        """Return whether the reader may upload, analyse, ask and delete. The actions check it, too."""

    @property
    def is_private(self) -> bool:
        """Return whether the page is for users with an account, or for this machine alone."""

    def local_time(self, created: str) -> str:
        """Return a stored time in the time zone of the reader's browser, to the minute."""

    def short_time(self, created: str) -> str:
        """Return the time of day of a stored time of today, else its date."""

    def button(
        self,
        label: str,
        key: str,
        act: Callable[..., Any],
        *arguments: object,
        icon: str = "",
        kind: ButtonKind = "secondary",
        **options: Any,
    ) -> None:
        """Draw a button that calls `act` with the arguments; `label` is Markdown, `options` those of `st.button`."""

    def choose(
        self, label: str, labels: Mapping[Any, str], key: str, draw: Callable[..., Any] = ..., **options: Any
    ) -> Any:
        """Draw a choice of values by their labels, by default as `st.selectbox`, and return what is chosen."""

    def follow(self, task: BackgroundTask[Any, Any], draw: Callable[..., None], *arguments: object) -> None:
        """Draw what a task does, again and again while it runs."""

    def ask(
        self, title: str, draw: Callable[..., None], *arguments: object, width: Literal["small", "large"] = "small"
    ) -> None:
        """Ask for a dialog that `draw` fills, called with the arguments."""

    def close_menu(self) -> None:
        """Close the menu of which an entry was chosen."""

    def show_error(self, reason: AppError) -> None:
        """Show why something failed."""

    def show_warning(self, text: str, icon: str = "warning") -> None:
        """Show a sentence, literally, that something may be wrong, with this Material symbol."""

    def draw_picture_upload(
        self, label: str, *, key: str, area: str, on_uploaded: Callable[[Sequence[str], Sequence[str]], None]
    ) -> None:
        """Draw a button "+" for pictures, which may also be dropped onto the container `area`, or pasted into it.

        `on_uploaded` gets the ids of uploads for the purpose "picture", and a sentence on each file that was refused.
        """

    def draw_download(self, local: LocalModel, *, key: str) -> None:
        """Draw whether a model beside the engine is here, and what downloads it, or the running download."""

    def draw_saves(
        self,
        groups: Sequence[SaveGroup],
        *,
        key: str,
        width: Literal["stretch", "content"] = "stretch",
        has_choices: bool = False,
    ) -> None:
        """Draw buttons that save files; `has_choices` where fields beside them change their addresses."""

    def export_url(self, path: str, **options: str) -> str:
        """Return the address of an export below /api, for the language of the page."""

    def draw_charts(
        self,
        charts: Sequence[Chart],
        ages: Sequence[float],
        *,
        key: str,
        span_seconds: float,
        gap_seconds: float,
        words: Mapping[str, str],
    ) -> None:
        """Draw charts of the last minutes in a grid; `ages` are seconds from each moment, the oldest first."""

    def draw_stacked_bar(
        self, parts: Iterable[tuple[str, float, str]], *, available: float, about: str, key: str
    ) -> None:
        """Draw a bar of parts, each with its name, size, and size in words."""

    def draw_table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        key: str,
        numbers: Sequence[int] = (),
        wide: Sequence[int] = (),
    ) -> None:
        """Draw a table of short texts; `numbers` are columns aligned right, `wide` columns of sentences."""

    def mount(self, name: str, package: str, *, key: str, data: object, **options: Any) -> None:
        """Draw the component that name.html, name.css and name.js in the package define."""

    def sent(self, key: str, event: str) -> Any:
        """Return what the browser has sent with an event of a component, or None."""

    def api_url(self, path: str, *, with_key: bool = True) -> str:
        """Return the address of a route of a plugin, with the key that it asks for."""

    def session_cookie(self) -> str:
        """Return the cookie of the reader's login, "" without one."""

    def picture_url(self, job_id: str, frame: Keyframe, side: int | None = None) -> str:
        """Return the address of a frame's picture."""

    def cover_url(self, entry: LibraryEntry | None) -> str:
        """Return the address of the picture of an analysis in the library, or "" without one."""

    def template_name(self, key: str) -> str:
        """Return the name of a template, or its key where it no longer exists."""

    def progress_words(self, job: JobSnapshot) -> str:
        """Return what a running analysis does at the moment, and how far it is."""

    def seconds_left(self, jobs: tuple[JobSnapshot, ...]) -> float | None:
        """Estimate the seconds until all jobs are over, with one engine answering them."""

    def draw_changed_settings(
        self,
        jobs: Sequence[JobSnapshot],
        changes: dict[str, tuple[str, str]],
        accept: Callable[[], None],
        beside: Callable[[], None] = ...,
    ) -> None:
        """Draw what has changed since jobs began, and the buttons that continue with the new or the old settings."""

    def has_model(self) -> bool:
        """Return whether there is a model: here, remote, or failed to start."""

    def get_model(self, model: ModelCandidate) -> None:
        """Download a model unless it is here, and switch to it."""

    def is_model_changing(self) -> bool:
        """Return whether a download or a switch to another model is running."""

    def draw_model_change(self) -> None:
        """Draw the download or the switch to another model that is running or has failed."""

    def draw_engine_state(self, status: EngineStatus) -> None:
        """Draw the state of an engine as a badge."""

    def draw_engines(self) -> None:
        """List several engines with their states."""

    def draw_engine_phase(self, phase: EngineProgress) -> None:
        """Draw what a start or a download is doing."""

    def engine_facts(self, status: EngineStatus) -> list[str]:
        """List the known facts of an engine: its version, its device or address, and the context length."""

    def draw_parts(self, place: str, *arguments: object) -> bool:
        """Let plugins draw in a place of this page; return whether one has drawn all of it."""
