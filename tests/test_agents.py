"""What agents are given: the skill, whose commands are run as by a client that knows nothing else, and server.json."""

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from framelens.cli import main
from tests.cards import write_card_video
from tests.commands import Done, run_command
from tests.llm.scripted import serve
from tests.questions.test_when import looking

ROOT = Path(__file__).parents[1]
SKILL = (ROOT / "skills" / "framelens" / "SKILL.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\| [^|]+ \| `framelens (.+)` \|$", SKILL, re.MULTILINE)
CUES = "1\n00:00:01,000 --> 00:00:02,000\nHere is the red card.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a talk: red in [3, 4.5), and a sentence at 1 s."""
    write_card_video(tmp_path / "talk.mp4", ["blue", "green", "red", "blue", "gray"], seconds_per_card=1.5)
    (tmp_path / "talk.srt").write_text(CUES, encoding="utf-8")
    return tmp_path


def called(words: str, folder: Path, **environ: str) -> Done:
    return run_command(*shlex.split(words), cwd=folder, environ={"FRAMELENS_DATA_DIR": str(folder / "data"), **environ})


@pytest.mark.slow
def test_every_command_of_the_skill_works_in_its_order(folder: Path) -> None:
    """As an agent calls them: in this order, in one folder, with an engine that looks at the pictures it gets."""
    answers: dict[str, Any] = {}
    with serve(looking()) as engine:
        for words in COMMANDS:
            done = called(words, folder, FRAMELENS_BASE_URL=engine.base_url, FRAMELENS_LANGUAGE="en")
            assert done.returncode == 0, (words, done.stderr)
            answers[words] = json.loads(done.stdout) if "--json" in words else done.stdout
    assert len(answers) == len(COMMANDS) == 13
    (when,) = (answers[words] for words in COMMANDS if "When is the red card" in words)
    assert "00:03.000–00:04.500" in json.dumps(when, ensure_ascii=False)
    assert "Here is the red card." in json.dumps(answers["transcript talk.mp4 --json"])
    measured = answers["analyse talk.mp4 --no-model --json"]
    assert measured["state"] == "without_model" and answers["library search red --json"]["total"] >= 1
    written = {path.name for path in folder.rglob("*") if path.is_file() and "data" not in path.parts}
    assert {"times.csv", "piece.mp4", "report.html"} <= written


@pytest.mark.slow
def test_the_skill_is_one_page_and_begins_with_commands_that_work(folder: Path) -> None:
    head = SKILL.split("---")[1]
    assert re.search(r"^name: framelens$", head, re.MULTILINE) and len(SKILL.split()) < 700
    for line in re.findall(r"```bash\n(.+?)```", SKILL, re.DOTALL)[0].splitlines():
        done = called(line.removeprefix("framelens "), folder)
        assert done.returncode in (0, 4) and done.stdout, line  # doctor has found something


def test_the_registry_entry_starts_this_version() -> None:
    entry = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (package,) = entry["packages"]
    (source,) = package["runtimeArguments"]
    assert entry["version"] == package["version"] == project["version"] and len(entry["description"]) <= 100
    assert source["value"] == f"framelens[mcp]=={project['version']}" and "mcp" in project["optional-dependencies"]
    script, command, root = package["packageArguments"]
    assert script["value"] in project["scripts"]
    assert main.main([command["value"], root["name"], "/nowhere"]) == 2  # taken, but there is no such folder
    assert f"mcp-name: {entry['name']}" in (ROOT / "README.md").read_text(encoding="utf-8")
