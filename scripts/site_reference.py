"""Pages of the reference that the code is the source of: commands, the HTTP API, Python and the names for plugins.

Texts of commands exist in both languages; docstrings and the API's document are English. The table of settings is
docs/reference/configuration, which a test holds to the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from framelens import hookspecs, plugin
from framelens.cli.help import example_lines
from framelens.cli.main import framelens
from framelens.core import exports
from framelens.i18n import in_language, t
from scripts.write_man_page import contexts

_SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields")
_TEXTS = {
    "en": {
        "commands": ("All commands", "Every command and option, as `--help` prints them."),
        "http": ("HTTP API: all routes", "Every route below `/api/v1`, as in `/api/v1/openapi.json`."),
        "python": ("Python: all names", "Every name of `import framelens`."),
        "plugins": ("Plugins: hooks and names", "The hooks, and every name that a plugin may import."),
        "option": "option",
        "meaning": "meaning",
    },
    "zh": {
        "commands": ("全部命令", "每个命令和选项，内容与 `--help` 相同。"),
        "http": ("HTTP API：全部路由", "`/api/v1` 下的每个路由，内容与 `/api/v1/openapi.json` 相同，为英文。"),
        "python": ("Python：全部名称", "`import framelens` 提供的每个名称，说明为英文。"),
        "plugins": ("插件：钩子和名称", "全部钩子，以及插件可以导入的每个名称，说明为英文。"),
        "option": "选项",
        "meaning": "含义",
    },
}


def _begin(page: str, language: str) -> list[str]:
    title, purpose = _TEXTS[language][page]
    return [f"# {title}", "", purpose, ""]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def commands_page(language: str) -> str:
    """Return the page of all commands."""
    with in_language(language):  # type: ignore[arg-type]
        lines = _begin("commands", language)
        for ctx in contexts(framelens):
            lines += _command(ctx, _TEXTS[language])
        lines += [
            f"## {t('cli.codes').strip(':：').capitalize()}",
            "",
            *(f"- {line.strip()}" for line in t("cli.exit_codes").splitlines()),
        ]
    return "\n".join(lines)


def _command(ctx: click.Context, texts: dict[str, Any]) -> Iterator[str]:
    command = ctx.command
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    purpose = command.help or command.get_short_help_str()
    yield from (f"## {ctx.command_path}", "", purpose[:1].upper() + purpose[1:], "")
    yield from ("```text", usage, *example_lines(ctx), "```", "")
    records = [record for parameter in command.get_params(ctx) if (record := parameter.get_help_record(ctx))]
    if records:
        yield from (f"| {texts['option']} | {texts['meaning']} |", "|---|---|")
        yield from (f"| `{name}` | {_cell(text)} |" for name, text in records)
        yield ""


def api_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    from framelens.plugins.server.v1.application import document, programs  # a plugin, which may be absent

    return document(programs())


def http_page(language: str) -> str:
    """Return the page of the API's routes and forms."""
    api = api_document()
    lines = _begin("http", language)
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            lines += _route(f"{method.upper()} {path}", operation)
    for name, schema in api["components"]["schemas"].items():
        lines += _schema(name, schema)
    return "\n".join(lines)


def _route(name: str, operation: dict[str, Any]) -> Iterator[str]:
    yield from (f"## `{name}`", "", operation.get("summary", ""), "", operation.get("description", ""), "")
    if parameters := operation.get("parameters"):
        yield from ("| parameter | in | type | meaning |", "|---|---|---|---|")
        for parameter in parameters:
            form = _type(parameter["schema"])
            yield f"| `{parameter['name']}` | {parameter['in']} | {form} | {_cell(parameter.get('description', ''))} |"
        yield ""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield from (f"Body: {_type(body.get('schema', {}))} (`{kind}`)", "")
    for status, answer in operation["responses"].items():
        if status not in ("4XX", "5XX"):
            forms = [f"{_type(body.get('schema', {}))} (`{kind}`)" for kind, body in answer.get("content", {}).items()]
            yield from (f"{status}: {', '.join(forms) or answer['description']}", "")


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {name}", "", schema.get("description", ""), "")
    if properties := schema.get("properties"):
        yield from ("| field | type | meaning |", "|---|---|---|")
        for field, form in properties.items():
            yield f"| `{field}` | {_type(form)} | {_cell(form.get('description', ''))} |"
        yield ""


def _type(schema: dict[str, Any]) -> str:
    """Return a type of JSON Schema in words, linked where it has a section."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(one) for one in several)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    return f"list of {_type(schema.get('items', {}))}" if kind == "array" else str(kind)


def python_page(language: str) -> str:
    """Return the page of what `import framelens` offers."""
    module = import_module("framelens")
    lines = [*_begin("python", language), *_docstring(module.__doc__ or "")]
    for name in sorted(exports("framelens"), key=str.lower):
        lines += _described(name, getattr(module, name), level=2)
    return "\n".join(lines)


def plugins_page(language: str) -> str:
    """Return the page of the hooks and of the names that plugins import."""
    lines = [*_begin("plugins", language), *_described("Hooks", hookspecs.Hooks, level=2)]
    folder = Path(plugin.__file__).parent
    for path in ("framelens.plugin", *(f"framelens.plugin.{file.stem}" for file in sorted(folder.glob("[a-z]*.py")))):
        module = import_module(path)
        lines += [f"## {path}", "", *_docstring(module.__doc__ or "")]
        for name in sorted(exports(path), key=str.lower):
            lines += _described(name, getattr(module, name), level=3)
    return "\n".join(lines)


def _described(name: str, thing: Any, *, level: int) -> Iterator[str]:
    """Yield the section of a name: its signature, its docstring, and those of a class's methods."""
    yield from (f"{'#' * level} {name}", "")
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        yield from (f"`{_short(repr(thing))}`", "")
        return
    yield from ("```python", _signature(name, thing), "```", "", *_docstring(_own_docstring(thing)))
    for method, function in vars(thing).items() if inspect.isclass(thing) else ():
        if inspect.isfunction(function) and not method.startswith("_") and function.__doc__:
            yield from (f"{'#' * (level + 1)} {name}.{method}", "")
            yield from ("```python", _signature(method, function), "```", "", *_docstring(function.__doc__))


def _own_docstring(thing: Any) -> str:
    text = thing.__doc__ or ""
    return "" if text.startswith(f"{thing.__name__}(") else text  # a dataclass without one repeats its signature


def _signature(name: str, thing: Any) -> str:
    if getattr(thing, "_is_protocol", False):
        return f"class {name}(Protocol)"
    try:
        signature = str(_readable(inspect.signature(thing)))
    except (TypeError, ValueError):
        return name
    prefix = "class " if inspect.isclass(thing) else "def "
    short = f"{prefix}{name}{signature}"
    return short if len(short) < 100 else f"{prefix}{name}{_one_a_line(signature)}"


def _one_a_line(signature: str) -> str:
    """Break a signature before each parameter."""
    depth, text = 0, ""
    for place, char in enumerate(signature):
        depth += (char in "([{") - (char in ")]}")
        if char == ")" and depth == 0:
            return f"{text}\n{signature[place:]}"
        text += char
        if depth == 1 and char in "(,":
            text += "\n    " if char == "(" else "\n   "  # a blank follows the comma
    return text


class _Words(str):
    """An annotation as it is written, without quotes and names of modules."""

    __slots__ = ()
    __repr__ = str.__str__


def _readable(signature: inspect.Signature) -> inspect.Signature:
    def words(annotation: Any) -> Any:
        if annotation is inspect.Parameter.empty:
            return annotation
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        return _Words(re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text))

    parameters = [one.replace(annotation=words(one.annotation)) for one in signature.parameters.values()]
    return signature.replace(parameters=parameters, return_annotation=words(signature.return_annotation))


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:300] + "…"


def _docstring(text: str) -> Iterator[str]:
    """Yield a docstring in Google's style as Markdown: its sections become lists."""
    in_section = False
    example = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
    for line in example.sub(lambda lines: f"```pycon\n{lines[0]}\n```", inspect.cleandoc(text)).splitlines():
        if line.rstrip(":") in _SECTIONS and line.endswith(":"):
            in_section = True
            yield from (f"**{line}**", "")
        elif in_section and (item := re.match(r"    (\w[\w, *]*): (.*)", line)):
            yield f"- `{item[1]}`: {_escaped(item[2])}"
        elif in_section and line.strip():
            yield f"  {_escaped(line.strip())}"
        else:
            in_section = in_section and not line.strip()
            yield line if line.startswith("    ") else _escaped(line)
    yield ""


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


PAGES: dict[str, Callable[[str], str]] = {
    "all-commands": commands_page,
    "http": http_page,
    "python": python_page,
    "plugin-names": plugins_page,
}
"""The pages by their names in docs/reference; each is written for a language."""
