"""Translations: `t(key, **values)` looks up a text in zh.toml or en.toml, which have the same keys.

A text selects singular or plural with `{n:finding|findings}`: the first word if the value is 1.

The language is context, not a parameter: `with in_language("zh"):` sets it for a command, a request of the API or the
writing of a report, and `language()` returns it, on a page the reader's language. A thread begins without it
(`in_thread` of framelens.core passes it on; pools don't), and a generator runs in the language of its consumer. So code
whose language is data, such as prompts and reports, sets it around each call that makes text, and yields outside of the
block.
"""

import errno
import locale
import logging
import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any, get_args

from framelens.core.domain import Language, Notice, notice_values
from framelens.core.errors import AppError
from framelens.core.installation import install_line
from framelens.core.redaction import redact

LANGUAGES: tuple[Language, ...] = get_args(Language)
log = logging.getLogger(__name__)
_chosen: ContextVar[Language | None] = ContextVar("language", default=None)
_ENDED = "ended"


class _PluralFormatter(Formatter):
    """`str.format` with more format specs: "word|words" for the word after a number, "short" and "han" for billions.

    "short" is "3.75B" and "1.37M", "han" the same in the units of Chinese: "37.5 亿", "137 万". The conversion "!q" is
    "!r" without quotation marks, for texts that have their language's quotation marks. A `{reason}` before a full stop
    loses its own full stop. Two values are always known: `{download}` and `{install}`, commands that exist on this
    machine. The address of an engine, `{base_url}`, is shown without a password.
    """

    def parse(self, format_string: str) -> Iterator[tuple[str, str | None, str | None, str | None]]:
        """Yield the parts of a text, and mark a reason that a full stop follows."""
        parts = list(super().parse(format_string))
        following = [*(part[0] for part in parts[1:]), ""]
        for (before, name, spec, conversion), after in zip(parts, following, strict=False):
            is_ended = name == "reason" and after.startswith((".", "。"))
            yield before, name, _ENDED if is_ended else spec, conversion

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the given value, an engine's address without its password; else the command of this name."""
        if command := _COMMANDS.get(str(key)) if key not in kwargs else None:
            return command()
        value = super().get_value(key, args, kwargs)
        return redact(value) if key == "base_url" and isinstance(value, str) else value

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        """Convert a value."""
        if conversion != "q":
            return super().convert_field(value, conversion)
        return repr(value)[1:-1] if isinstance(value, str) else repr(value)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format a value, or select the singular or plural."""
        if format_spec == _ENDED:
            return str(value).rstrip(" .。")
        singular, bar, many = format_spec.partition("|")
        if bar:
            return singular if value == 1 or str(value) == "1" else many
        if format_spec in _BILLIONS:
            return _short_number(value, _BILLIONS[format_spec])
        return str(super().format_field(value, format_spec))


_BILLIONS = {
    "short": ((1e3, "T"), (1, "B"), (1e-3, "M"), (1e-6, "K")),
    "han": ((1e3, " 万亿"), (0.1, " 亿"), (1e-5, " 万")),
}
"""Units of a number of billions, the largest first."""


def _short_number(billions: float, units: Sequence[tuple[float, str]]) -> str:
    size, unit = next((step for step in units if billions >= step[0]), units[-1])
    return f"{float(f'{billions / size:.3g}'):g}{unit}"


def _download_command() -> str:
    """Return the script if the working directory is the clone, else the command that the script runs."""
    script = _REPOSITORY / "download_model.sh"
    with suppress(OSError):  # the working directory was deleted
        if script.is_file() and Path.cwd() == _REPOSITORY:
            return "./download_model.sh"
    return "framelens download"


def _engine_line() -> str:
    return f"`{install_line('cpu')}`"  # the same for cards


_REPOSITORY = Path(__file__).resolve().parents[2]
_COMMANDS: dict[str, Callable[[], str]] = {
    "download": _download_command,
    "install": _engine_line,
    "install_speech": partial(install_line, "speech"),
}
_FORMATTER = _PluralFormatter()
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


def _flat_entries(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat_entries(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Return all texts of a language by dotted key."""
    return dict(_flat_entries(tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))))


@cache
def plugin_catalogue(language: Language) -> dict[str, str]:
    """Return the texts of all plugins by dotted key; texts that a plugin lacks in the language are in English."""
    from framelens import registry  # reads settings, which most texts don't need

    texts: dict[str, str] = {}
    for name, plugin in registry.used():
        for code in dict.fromkeys(("en", language)):
            try:
                texts |= _flat_entries(
                    tomllib.loads((files(plugin) / "messages" / f"{code}.toml").read_text(encoding="utf-8"))
                )
            except FileNotFoundError:
                pass  # a plugin need not have any
            except registry.PLUGIN_FAULTS as error:
                registry.PluginPart(name, "messages", f"messages {code}.toml").leave_out(error)
    return texts


def text_of(key: str, requested: Language | None = None) -> str:
    """Return the text of a key as it is written, of the core or of a plugin. Raises KeyError."""
    chosen = requested or language()
    text = catalogue(chosen).get(key)
    return plugin_catalogue(chosen)[key] if text is None else text


def language() -> Language:
    """Return the language of texts here: from `in_language`, else the page's, else the system's."""
    return _chosen.get() or _page_language()


def set_language(chosen: Language) -> None:
    """Set the language for the rest of the surrounding `in_language` block, or of the thread."""
    _chosen.set(chosen)


def set_page_language(read: Callable[[], Language]) -> None:
    """Use the language that `read` returns where no language is set."""
    global _page_language
    _page_language = read


@contextmanager
def in_language(chosen: Language) -> Iterator[None]:
    """Set the language for a block. A generator must not yield in it: its consumer would get the language, too."""
    before = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(before)


def t(key: str, language: Language | None = None, /, **values: object) -> str:
    """Return the text of a key with its placeholders filled.

    Args:
        key: The dotted key.
        language: The language; by default the context's.
        values: The values of the placeholders `{name}`.

    Raises:
        KeyError: There is no such key, or a placeholder has no value.
    """
    return _FORMATTER.vformat(text_of(key, language), (), values)


def label(key: str, otherwise: str) -> str:
    """Return the text of a key, or `otherwise` if it has no text: a plugin or a stored report may name any key."""
    try:
        return t(key)
    except KeyError:
        return otherwise


def gap(requested: Language | None = None) -> str:
    """Return what is between two sentences, and behind a colon: a blank, in Chinese nothing."""
    return "" if (requested or language()) == "zh" else " "


def sentences(texts: Iterable[str], requested: Language | None = None) -> str:
    """Join sentences, in Chinese without spaces; empty sentences are left out."""
    return gap(requested).join(filter(None, texts))


def labelled(label: str, value: str) -> str:
    """Return "label: value" with the colon of the language."""
    return t("ui.labelled", label=label, value=value)


def aside(text: str) -> str:
    """Return a text in the parentheses of the language, to be put after other words; "" for an empty text."""
    return t("ui.aside", text=text) if text else ""


def error_text(error: AppError, language: Language | None = None) -> str:
    """Return the text of an error, by default in the language of the context.

    Values that are notices, or tuples of them, are replaced by their texts, and reasons of the operating system are
    translated. The text of an error from a plugin that isn't used any more is just its key. The error's notices come
    first.
    """
    if not has_notice(error.key, "error"):
        return error.key
    text = _stored_text(f"error.{error.key}", error.values, language)
    return sentences([*(notice_text(notice, language) for notice in error.notices), text], language)


def notice_text(notice: Notice, language: Language | None = None) -> str:
    """Return the text of a notice, by default in the language of the context.

    Values that are notices themselves are replaced by their texts. The text of a notice from a plugin that isn't used
    any more is just its key.
    """
    if not has_notice(notice.key, notice.table):
        return notice.key
    return _stored_text(f"{notice.table}.{notice.key}", notice.values, language)


def _stored_text(key: str, values: Mapping[str, object], language: Language | None) -> str:
    """Return a text with its placeholders filled; a placeholder that an earlier version didn't store becomes "…"."""
    displayed = defaultdict(lambda: "…", _display_values(values, language))
    return _FORMATTER.vformat(text_of(key, language), (), displayed)


def _display_values(values: Mapping[str, object], language: Language | None) -> dict[str, object]:
    system = _system_reasons()

    def display(name: str, value: object) -> object:
        if isinstance(value, Notice):
            return notice_text(value, language)
        if isinstance(value, tuple):
            return t("facts.list", language).join(str(display(name, item)) for item in value)
        if name == "reason" and isinstance(value, str) and (key := system.get(_ERRNO.sub("", value))):
            return t(key, language)
        return value

    return {name: display(name, value) for name, value in values.items()}


@cache
def _system_reasons() -> dict[str, str]:
    """Return the keys of the operating system's messages by the English messages.

    Python doesn't return the messages about names of hosts (EAI_…): they are those of glibc.
    """
    names = [key for key in catalogue("en") if key.startswith("os_error.")]
    numbers = {key: getattr(errno, key.removeprefix("os_error."), None) for key in names}
    hosts = {text_of(key, "en"): key for key in names if key.startswith("os_error.EAI_")}
    return {os.strerror(number): key for key, number in numbers.items() if number is not None} | hosts


def has_notice(key: str, table: str) -> bool:
    """Return whether there is a text for a notice of this key."""
    return f"{table}.{key}" in catalogue("en") or f"{table}.{key}" in plugin_catalogue("en")


def as_notice(error: AppError) -> Notice:
    """Convert an error to a notice with the same text, for reports and events."""
    return Notice(error.key, notice_values(error.values), "error", "error")


def language_of(tag: str | None) -> Language:
    """Return the language for a locale tag such as "zh-CN" or "en_US.UTF-8"; English if it is any other."""
    return "zh" if (tag or "").lower().startswith("zh") else "en"


def named_language(tag: str) -> Language | None:
    """Return the language that a tag such as "en" or "zh-CN" names, or None if FrameLens has no texts in it.

    >>> named_language("zh_CN.UTF-8"), named_language("EN"), named_language("fr")
    ('zh', 'en', None)
    """
    first = re.split(r"[-_.]", tag.strip().lower())[0]
    return language_of(first) if first in LANGUAGES else None


def accepted_language(header: str | None) -> Language:
    """Return the language that a header Accept-Language prefers; English if it accepts neither.

    >>> accepted_language("fr, en;q=0.1, zh-CN;q=0.9"), accepted_language("*;q=0.5, zh;q=0.4"), accepted_language("*")
    ('zh', 'en', 'en')
    """
    weights: dict[Language, float] = {}
    others = 0.0
    for part in (header or "").split(","):
        tag, _, parameters = part.partition(";")
        if (primary := tag.strip().lower().partition("-")[0]) in LANGUAGES:
            weights[language_of(primary)] = max(_quality(parameters), weights.get(language_of(primary), 0.0))
        elif primary == "*":
            others = _quality(parameters)
    for name in ("en", "zh"):
        weights.setdefault(language_of(name), others)
    best = max(weights, key=weights.__getitem__)
    return best if weights[best] > 0 else "en"


def _quality(parameters: str) -> float:
    """Return the weight "q=" among the parameters of a language, 1 without a weight and 0 if it is no number."""
    weight = parameters.replace(" ", "").lower()
    if not weight.startswith("q="):
        return 1.0
    with suppress(ValueError):
        return float(weight[2:].partition(";")[0])
    return 0.0


def system_language() -> Language:
    """Return the language of FRAMELENS_LANGUAGE, or else of the system's locale."""
    for name in ("FRAMELENS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if tag := os.environ.get(name):
            return language_of(tag)
    return language_of(locale.getlocale()[0])


_page_language: Callable[[], Language] = system_language
