"""Plugins of others: an installed package adds what it names, and a faulty package leaves everything else at work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framelens import registry
from framelens.core.errors import InputError, VideoError
from framelens.i18n import plugin_catalogue
from framelens.reports import formats
from framelens.reports.format import ReportFormat
from framelens.reports.json.writer import write
from framelens.video.files import check_file
from tests.reports.test_reports import analysis

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "plugin"


def installed(folder: Path, name: str, package: Path, entry: str) -> Path:
    """Lay out a package as an installer would, without asking any index."""
    shutil.copytree(package, folder / package.name, dirs_exist_ok=True)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[framelens.plugins]\n{entry}\n")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages with the example."""
    line = (EXAMPLE / "pyproject.toml").read_text().partition('entry-points."framelens.plugins"]\n')[2].splitlines()[0]
    entry = line.replace('"', "")
    return installed(tmp_path / "site", "framelens_headlines", EXAMPLE / "framelens_headlines", entry)


def run(
    *words: object, site: Path, program: tuple[str, ...] = ("-m", "framelens"), **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *map(str, words)],
        cwd=site.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(site))),
            "FRAMELENS_DATA_DIR": str(site.parent / "data"),
            "LANG": "C.UTF-8",
            **environ,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def listed(site: Path, **environ: str) -> dict[str, dict[str, object]]:
    done = run("doctor", "--plugins", "--json", site=site, **environ)
    return {one["name"]: one for one in json.loads(done.stdout)["plugins"]}


def report(site: Path) -> Path:
    path = site.parent / "report.json"
    path.write_bytes(write(analysis(), "en"))
    return path


@pytest.mark.slow
def test_example_adds_a_format_a_command_and_a_page(site: Path) -> None:
    headlines = listed(site)["headlines"]
    assert (headlines["version"], headlines["state"]) == ("1.0", "on")
    names = ["headlines"]
    added = {"commands": names, "formats": names, "pages": names, "sources": ["newest:"]}
    assert headlines["adds"] == added
    printed = run("headlines", report(site), site=site)
    assert printed.returncode == 0 and printed.stdout.splitlines()
    words = ("export", "--json-file", report(site), "--format", "headlines", "--output", site.parent / "out/")
    assert run(*words, site=site).returncode == 0
    (written,) = (site.parent / "out").rglob("*.headlines.txt")
    assert written.read_text(encoding="utf-8") == printed.stdout
    assert "headlines" in run("--help", site=site).stdout


@pytest.mark.slow
def test_source_gives_a_video_in_place_of_a_file(site: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "framelens" / "samples" / "sample.mp4", tmp_path / "sample.mp4")
    words = ("keyframes", f"newest:{tmp_path}", "--frames", 2, "--json", "--quiet")
    done = run(*words, site=site)
    assert json.loads(done.stdout)["source"]["name"] == "sample.mp4"
    nothing = run("keyframes", f"newest:{site}", site=site)
    assert nothing.returncode == 3 and str(site) in nothing.stderr
    assert run(*words, site=site, FRAMELENS_PLUGINS="").returncode == 3
    (tmp_path / "sample.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello there\n")
    assert "Hello there" in run("transcript", f"newest:{tmp_path}", site=site).stdout
    clip = run("clip", f"newest:{tmp_path}", "--to", 1, "--output", site.parent / "clip.mp4", site=site)
    assert clip.returncode == 0 and (site.parent / "clip.mp4").exists()


@pytest.mark.slow
def test_python_reads_sources_of_plugins(site: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "framelens" / "samples" / "sample.mp4", tmp_path / "sample.mp4")
    code = """
import sys, framelens
print(len(framelens.keyframes(sys.argv[1], 2)))
print(framelens.analyse(sys.argv[1], frames=2, use_model=False).video.name)
try:
    framelens.keyframes("foo://x/clip.mp4")
except framelens.VideoError as error:
    print(error)
"""
    done = run("-c", code, f"newest:{tmp_path}", site=site, program=())
    count, name, error = done.stdout.splitlines()
    assert (count, name) == ("2", "sample.mp4")
    assert "foo://x/clip.mp4" in error and "newest:" in error


def test_unknown_address_names_the_known_beginnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "used", lambda: [registry.Plugin("mine", sources={"dir:": "mine:read"})])
    with pytest.raises(VideoError) as caught:
        check_file(Path("foo://x/clip.mp4").absolute())
    assert caught.value.values == {"address": "foo://x/clip.mp4", "known": "dir:"}


@pytest.mark.parametrize(
    ("address", "beginnings", "key"),
    [
        ("https://host/clip.mp4", (), "link_without_plugin"),
        ("s3://bucket/clip.mp4", ("dir:",), "video_in_s3"),
        ("https://host/clip.mp4", ("http://", "https://"), "video_is_address"),
        ("rtsp://camera", (), "video_is_address_alone"),
        ("rtsp://camera", ("dir:",), "video_is_address"),
    ],
)
def test_error_of_an_address_fits_the_plugins_in_use(
    address: str, beginnings: tuple[str, ...], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = dict.fromkeys(beginnings, "mine:read")
    monkeypatch.setattr(registry, "used", lambda: [registry.Plugin("mine", sources=sources)])
    assert registry.address_error(address).key == key


def test_a_file_is_read_before_a_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plugin = registry.Plugin("mine", sources={"dir:": "mine:read"})
    monkeypatch.setattr(registry, "used", lambda: [plugin])
    monkeypatch.setattr(registry, "loaded", lambda *_: lambda typed: Path("/found", typed))
    monkeypatch.chdir(tmp_path)
    assert [registry.file_of(one) for one in ("dir:a", "a", "other:a")] == [str(Path("/found/dir:a")), "a", "other:a"]
    Path("dir:a").touch()
    assert registry.file_of("dir:a") == "dir:a"


@pytest.mark.slow
def test_message_of_a_failure_names_the_log(broken_site: Path) -> None:
    log = broken_site.parent / "data" / "framelens.log"
    for words in (("keyframes", "broken:x"), ("transcript", "broken:x"), ("analyse", "broken:x"), ("broken",)):
        assert str(log) in run(*words, site=broken_site).stderr
        assert "Traceback" in log.read_text(encoding="utf-8"), words
        log.unlink()


@pytest.mark.slow
def test_plugins_are_switched_off_by_name(site: Path) -> None:
    states = {name: one["state"] for name, one in listed(site, FRAMELENS_PLUGINS="headlines").items()}
    assert states.pop("headlines") == "on" and set(states.values()) <= {"off"}
    assert {one["state"] for one in listed(site, FRAMELENS_PLUGINS="").values()} <= {"off"}
    assert "FRAMELENS_PLUGINS" in run("clip", "x", "-l", "en", site=site, FRAMELENS_PLUGINS="").stderr
    refused = run("headlines", report(site), site=site, FRAMELENS_PLUGINS="")
    assert refused.returncode == 2 and "headlines" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("PLUGIN = 'a name'", "str"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("raise SystemExit('needs a card')", "SystemExit: needs a card"),
    ],
)
def test_faulty_plugin_is_named_and_left_out(site: Path, tmp_path: Path, source: str, reason: str) -> None:
    package = tmp_path / "faulty_one"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    installed(site, "faulty", package, "faulty = faulty_one:PLUGIN")
    states = listed(site)
    assert states["faulty"]["state"] == "faulty" and reason in str(states["faulty"]["fault"])
    assert states["headlines"]["state"] == "on"
    assert run("export", "--json-file", report(site), "--format", "markdown", "--overwrite", site=site).returncode == 0


FAULTS = """
from framelens.registry import Page, Plugin
PLACED = {"sidebar": "fail", "work.groups": "gone", "doctor.checks": "fail"}
PLUGIN = Plugin(
    "broken",
    commands={"broken": "broken_one.no_module:run", **dict.fromkeys(("analyze", "fails", "help"), "broken_one:run")},
    formats="broken_one:FORMATS",
    pages=(Page("library", ":material/home:", "broken_one:fail"), Page("lost", ":material/home:", "broken_one:lost")),
    sources={"broken:": "broken_one:fail"},
    slots={place: (f"broken_one:{name}",) for place, name in PLACED.items()},
    routes="broken_one:fail",
    resume="broken_one:fail",
    launch_checks="broken_one:fail",
    recogniser="broken_one:fail",
    messages="broken_one.no_messages",
)
def fail(*_, **__):
    raise ZeroDivisionError("by zero")
import click
run = click.Command("fails", callback=fail)
from framelens.reports.format import ReportFormat
FORMATS = {
    "broken": ReportFormat(".broken", "text/plain", "read", fail),
    "json": ReportFormat(".taken", "text/plain", "read", fail),
    "unfit": ReportFormat(".unfit", "text/plain", "read", fail, fits=fail),
    "alien": "a name",
    "all": ReportFormat(".every", "text/plain", "read", fail),
    3: ReportFormat(".three", "text/plain", "read", fail),
}
"""


@pytest.fixture
def broken_site(site: Path, tmp_path: Path) -> Path:
    """A folder of packages with the example and a plugin whose parts are all faulty."""
    package = tmp_path / "broken_one"
    package.mkdir()
    (package / "__init__.py").write_text(FAULTS)
    return installed(site, "broken", package, "broken = broken_one:PLUGIN")


@pytest.mark.slow
def test_faulty_parts_are_named_and_left_out(broken_site: Path) -> None:
    states = listed(broken_site)
    assert states["broken"]["state"] == "on" and states["headlines"]["left_out"] == {}
    assert states["broken"]["left_out"] == {
        "broken_one.no_module:run": "ModuleNotFoundError: No module named 'broken_one.no_module'",
        "command analyze": "FrameLens has this name",
        "command help": "FrameLens has this name",
        "page library": "FrameLens has this name",
        "broken_one:lost": "AttributeError: module 'broken_one' has no attribute 'lost'",
        "broken_one:gone": "AttributeError: module 'broken_one' has no attribute 'gone'",
        "format json": "FrameLens has this name",
        "format alien": "str instead of a ReportFormat",
        "format all": "FrameLens has this name",
        "format 3": "the name of a format has small letters, digits, - and _: 3",
        "messages en.toml": "ModuleNotFoundError: No module named 'broken_one.no_messages'",
        "messages zh.toml": "ModuleNotFoundError: No module named 'broken_one.no_messages'",
    }
    assert states["broken"]["adds"]["formats"] == ["broken", "unfit"]


@pytest.mark.slow
def test_faulty_command_and_source_name_their_plugin(broken_site: Path) -> None:
    for words in (("fails",), ("keyframes", "broken:here")):
        failed = run(*words, site=broken_site)
        assert failed.returncode == 6 and "broken" in failed.stderr and "ZeroDivisionError" in failed.stderr
        assert "Traceback" not in failed.stderr


SERVE = """
import json
from framelens import api, config, registry
from framelens.engine.local.launch_checks import LaunchChecks, launch_checks
from framelens.engine.recognition import build_recogniser
assert api.routes(api.Gate(api.AllowedHosts.for_server(None)))
assert "headlines" in [page.name for page, _ in registry.pages()]
registry.resume(None)
assert isinstance(launch_checks(config.load()), LaunchChecks)
build_recogniser(config.load())
print(json.dumps(list(registry.left_out("broken"))))
"""


@pytest.mark.slow
def test_application_starts_beside_a_faulty_plugin(broken_site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=broken_site.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(broken_site)))},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"broken_one:fail", "page library", "broken_one:lost"} <= set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"slots": {"sidebar": "module:draw"}}, "slots must be Mapping"),
        ({"slots": {"sidebr": ("module:draw",)}}, "no place is called sidebr"),
        ({"commands": ["headlines"]}, "commands must be Mapping"),
        ({"pages": ("headlines",)}, "pages must be Sequence"),
        ({"formats": None}, "formats must be str"),
        ({"commands": {"--version": "module"}}, "name of a command"),
        ({"sources": {"C:": "module:read"}}, "a source begins"),
        ({"sources": {"": "module:read"}}, "a source begins"),
    ],
)
def test_wrong_types_are_named(given: dict[str, Any], reason: str) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        registry.Plugin("other", **given)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"suffix": "txt"}, "suffix must begin"),
        ({"mime": None}, "mime must be"),
        ({"use": "watch"}, "use must be one of read, play, program, cut"),
    ],
)
def test_wrong_values_of_a_format_are_named(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        ReportFormat(**{"suffix": ".txt", "mime": "text/plain", "use": "read", "write": bytes, **given})


def test_a_taken_beginning_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = [registry.Plugin(name, sources={"dir:": "os.path:join"}) for name in ("first", "second")]
    monkeypatch.setattr(registry, "used", lambda: plugins)
    registry.load_all()
    assert registry.left_out("second") == {"source dir:": "first has this name"}


@pytest.mark.slow
def test_doctor_names_a_plugin_whose_check_fails(broken_site: Path) -> None:
    done = run("doctor", "--json", site=broken_site)
    said = [one for one in json.loads(done.stdout)["findings"] if one["key"] == "plugin_failed"]
    assert len(said) == 1 and "broken" in said[0]["text"] and said[0]["level"] == "warning"


def results_of(monkeypatch: pytest.MonkeyPatch, function: Any, *wanted: Any, **each: Any) -> list[Any]:
    plugin = registry.Plugin("mine", slots={"range.action": ("mine:act",)})
    monkeypatch.setattr(registry, "used", lambda: [plugin])
    monkeypatch.setattr(registry, "load", lambda reference: function)
    monkeypatch.setattr(registry, "_left_out", {})
    return list(registry.results("range.action", *wanted, **each))


def quits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: 3, "returned int, not str | None"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (quits, "SystemExit: 3"),
    ],
)
def test_a_failing_part_of_a_page_is_left_out(function: Any, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert results_of(monkeypatch, function, str | None) == []
    assert reason in registry.left_out("mine")["mine:act"]


def test_each_result_of_a_part_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert results_of(monkeypatch, lambda: iter("ab"), each=str) == [["a", "b"]]
    assert results_of(monkeypatch, lambda: ["a", 3], each=str) == []
    assert "returned int, not str" in registry.left_out("mine")["mine:act"]
    assert results_of(monkeypatch, lambda: 3, each=str) == []


def test_a_function_of_a_plugin_may_not_end_the_program() -> None:
    with pytest.raises(InputError, match="plugin_failed"):
        registry.guarded(registry.Plugin("mine"), quits)()


def test_name_of_a_page_can_be_part_of_an_address() -> None:
    with pytest.raises(ValueError, match="name of a page"):
        registry.Page("a/b", "", "module:draw")


@pytest.mark.slow
def test_what_a_plugin_breaks_is_its_own(broken_site: Path) -> None:
    site = broken_site
    options = ("export", "--json-file", report(site), "--overwrite", "--output", site.parent / "out/", "--format")
    failed = run(*options, "broken", site=site)
    assert failed.returncode not in (0, 1) and "broken" in failed.stderr and "ZeroDivisionError" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert run(*options, "json", site=site).returncode == 0
    all_formats = run(*options, "all", site=site)
    assert all_formats.returncode == failed.returncode and "ZeroDivisionError" in all_formats.stderr
    assert {".md", ".pdf", ".html"} <= {path.suffix for path in (site.parent / "out").iterdir()}
    command = run("broken", site=site)
    assert command.returncode == 2 and "ModuleNotFoundError" in command.stderr and "Traceback" not in command.stderr


@pytest.mark.parametrize(
    ("function", "gives", "reason"),
    [
        (lambda: "text", bytes, "TypeError: write returned str, not bytes"),
        (lambda: None, int, "TypeError: write returned NoneType, not int"),
        (lambda: 1 / 0, bytes, "ZeroDivisionError"),
    ],
)
def test_a_wrong_result_is_a_failure_of_the_plugin(function: Any, gives: type, reason: str) -> None:
    function.__name__ = "write"
    with pytest.raises(InputError) as caught:
        registry.guarded(registry.Plugin("mine"), function, gives)()
    assert caught.value.key == "plugin_failed" and str(caught.value.values["reason"]).startswith(reason)


def test_a_check_that_fails_withholds_no_format(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("division by zero")

    form = ReportFormat(".mine", "text/plain", "read", lambda *_: b"x", fail, fits=fail)
    monkeypatch.setattr(registry, "used", lambda: [registry.Plugin("mine", formats="mine:FORMATS")])
    monkeypatch.setattr(registry, "loaded", lambda *_: {"mine": form})
    ((_, made),) = formats._of_plugins()
    assert made.fits(None) is True  # type: ignore[arg-type]
    assert registry.left_out("mine") == {"fits of format mine": "ZeroDivisionError: division by zero"}
    with pytest.raises(InputError, match="plugin_failed"):
        made.beside(None, appendix=True)  # type: ignore[arg-type]


def test_broken_texts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "used", lambda: [registry.Plugin("texts", messages="no_package_of_that_name")])
    assert plugin_catalogue.__wrapped__("zh") == {}
    assert set(registry.left_out("texts")) == {"messages en.toml", "messages zh.toml"}


def test_names_that_no_plugin_has_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.config, "plugin_names", lambda: frozenset({"mine", "nosuch"}))
    monkeypatch.setattr(registry, "states", lambda: (registry.PluginState("mine", "", None),))
    assert registry.unknown_names() == ["nosuch"]


def test_every_kind_of_object_is_looked_for() -> None:
    named = {
        "launch_checks": "a:b",
        "recogniser": "a:c",
        "diariser": "a:d",
        "routes": "a:e",
        "api": "a:f",
        "resume": "a:g",
    }
    assert registry.references(registry.Plugin("all", formats="a:h", messages="a", **named)) == named


def test_all_plugins_resume_whatever_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    resumed: list[object] = []
    plugins = [registry.Plugin("broken", resume="broken"), registry.Plugin("fine", resume="fine")]
    monkeypatch.setattr(registry, "used", lambda: plugins)
    monkeypatch.setattr(registry, "loaded", lambda _, name: {"broken": fail, "fine": resumed.append}[name])
    registry.resume("services")
    assert resumed == ["services"]


def test_interrupt_while_a_plugin_loads_is_no_fault() -> None:
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        registry.leave_out(registry.Plugin("own"), "part", wrapped)
    assert "part" not in registry.left_out("own")
