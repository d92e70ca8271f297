"""Write the reports of docs/gallery in both languages: the sample video's in every format, and three without a model.

    python scripts/make_gallery.py

The video is read, frames are chosen and measured, and the report is made by the app itself. The stand-in for the model
is a server on this machine that gives the answers below, which people wrote; the reports say so by its name. One
answer names a time of its own, to show how such a time is marked. The reports without a model are of footage that
`gallery_footage.py` draws.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from gallery_footage import FOOTAGE
from PIL import Image

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "framelens" / "samples" / "sample.mp4"
TARGET = ROOT / "docs" / "gallery"
MODEL = "answers-written-by-people"
_FRAMES = 8

Statement = tuple[tuple[int, ...], str]
_ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "en": {
        "question": "What is written on the sign, and when can it be read?",
        "look_for": "a sign",
        "reply": "“Opening hours, Monday – Friday 9:00 – 18:00”, in English and Chinese [1].",
        "title": "Five short scenes",
        "overview": [
            ((1, 2, 5, 7, 8), "Five drawn scenes follow one another: a title, a landscape, a ball, a sign, a number."),
            ((2, 3, 4), "The longest change within a scene is the sun, which rises over green hills."),
        ],
        "chapters": [
            (1, "Title", "The name of the sample in English and Chinese."),
            (2, "Sunrise", "The sun rises over the hills, and the sky turns from violet to yellow."),
            (5, "The ball", "A red ball over a chequered floor."),
            (6, "The sign", "Opening hours on a green board."),
            (8, "The number", "A white disc with a 1."),
        ],
        "findings": [
            ((1,), "White and yellow letters on violet: “FrameLens sample video”."),
            ((2,), "Green hills under a sky that is still violet; the sun cannot be seen yet."),
            ((3,), "Half of the sun stands over the right hill."),
            ((5,), "A red ball hangs over a floor of brown and white squares."),
            ((7,), "A sign with opening hours, to be read until 0:59."),
            ((8,), "The digit 1 in a white disc on blue."),
        ],
    },
    "zh": {
        "question": "牌子上写了什么？什么时候能看清？",
        "look_for": "牌子",
        "reply": "写着“开放时间，周一至周五 9:00–18:00”，中英文都有 [1]。",
        "title": "五个短场景",
        "overview": [
            ((1, 2, 5, 7, 8), "依次出现五个手绘场景：标题、风景、小球、牌子和数字。"),
            ((2, 3, 4), "场景内部变化最久的是日出：太阳从绿色的山丘后升起。"),
        ],
        "chapters": [
            (1, "标题", "中英文的示例名称。"),
            (2, "日出", "太阳从山丘后升起，天空由紫变黄。"),
            (5, "小球", "方格地面上方有一个红球。"),
            (6, "牌子", "绿色牌子上的开放时间。"),
            (8, "数字", "白色圆盘里的数字 1。"),
        ],
        "findings": [
            ((1,), "紫色背景上是白色和黄色的字：“示例视频：五个镜头”。"),
            ((2,), "紫色天空下的绿色山丘，太阳还没有出现。"),
            ((3,), "右侧山丘上露出半个太阳。"),
            ((5,), "棕白相间的方格地面上方悬着一个红球。"),
            ((7,), "一块写着开放时间的牌子，到 0:59 为止都能看清。"),
            ((8,), "蓝底白色圆盘里的数字 1。"),
        ],
    },
}
_ASKED_WITHOUT_MODEL: Mapping[tuple[str, str], str] = {
    ("en", "lecture"): "When does “I-frame” stand on the screen?",
    ("zh", "lecture"): "什么时候出现“I 帧”？",
}
"""Questions about the footage without a model, by language and video."""
_FORMATS_WITHOUT_MODEL = "html,pdf,markdown"
_SCENES_SECONDS, _SIGN = (1.0, 6.0, 10.0, 14.0, 18.0), 3
"""A time in each scene of the sample, and the index of the scene with the sign."""


def answer(language: str) -> str:
    """Return the account of all frames, in the form that the app requests."""
    answers = _ANSWERS[language]

    def statements(name: str) -> list[dict[str, object]]:
        return [{"frames": list(frames), "text": text} for frames, text in answers[name]]

    chapters = [{"first_frame": first, "title": title, "text": text} for first, title, text in answers["chapters"]]
    lists = {name: statements(name) for name in ("findings", "overview")}
    return json.dumps({"title": answers["title"], "chapters": chapters, **lists}, ensure_ascii=False)


def reply(body: Mapping[str, Any], language: str) -> str:
    """Return what people would say to a request: of the question's kind, of a small picture, or of the video."""
    from framelens.i18n import in_language, t

    with in_language(language):
        systems = {name: t(f"ask.prompt.{name}_system") for name in ("classify", "lookalikes", "vote")} | {
            "question": t("ask.prompt.system")
        }
        absent = t("ask.prompt.absent", thing=_ANSWERS[language]["look_for"])
    said = next((one["content"] for one in body["messages"] if one["role"] == "system"), "")
    if body.get("max_tokens") == 1 and not said:
        return "."
    if said == systems["classify"]:
        return json.dumps(
            {"kind": "when", "thing": _ANSWERS[language]["look_for"], "range": [], "parts": []}, ensure_ascii=False
        )
    if said == systems["lookalikes"]:
        return json.dumps({"lookalikes": []})
    if said == systems["vote"]:
        asked = " ".join(part.get("text", "") for part in body["messages"][-1]["content"])
        return "yes" if shows_sign(body) != (absent in asked) else "no"
    return str(_ANSWERS[language]["reply"]) if said == systems["question"] else answer(language)


def shows_sign(body: Mapping[str, Any]) -> bool:
    """Return whether the picture of a vote shows the sign: it resembles that scene most, however bright it is."""
    (url,) = (part["image_url"]["url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        seen = _layout(picture)
    return int(np.argmax([np.vdot(seen, scene) for scene in _scenes()])) == _SIGN


@cache
def _scenes() -> list[Any]:
    with av.open(str(SAMPLE)) as video:
        frames = {round(frame.time or 0.0, 2): frame for frame in video.decode(video=0)}
    return [_layout(frames[seconds].to_image()) for seconds in _SCENES_SECONDS]


def _layout(picture: Image.Image) -> Any:
    """Return where a picture is light and dark, as a vector of length 1."""
    grey = np.asarray(picture.convert("L").resize((32, 18)), dtype=float)
    grey -= grey.mean()
    return grey / np.linalg.norm(grey)


def write(language: str, folder: Path) -> None:
    """Write all formats into `folder`, which is emptied first."""
    from tests.llm.scripted import serve

    def behave(body: dict[str, Any]) -> Iterator[str]:
        yield reply(body, language)

    shutil.rmtree(folder, ignore_errors=True)
    with serve(behave, model=MODEL, classifies=True) as server, tempfile.TemporaryDirectory() as data:
        environment = {
            **os.environ,
            "FRAMELENS_DATA_DIR": data,
            "FRAMELENS_BASE_URL": server.base_url,
            "FRAMELENS_LANGUAGE": language,
        }
        question = _ANSWERS[language]["question"]
        analysed = ["analyse", SAMPLE, "--frames", _FRAMES, "--question", question, "--template", "describe", "--quiet"]
        _framelens(*analysed, "--output", Path(data) / "report.json", environment=environment)
        _framelens("export", "latest", "--format", "all", "--output", folder, environment=environment)


def write_without_model(language: str, folder: Path) -> None:
    """Write the reports of a lecture, a film and a camera into `folder`."""
    for name, draw in FOOTAGE.items():
        with tempfile.TemporaryDirectory() as data:
            video = draw(Path(data) / f"{name}.mp4", language)
            environment = {**os.environ, "FRAMELENS_DATA_DIR": data, "FRAMELENS_LANGUAGE": language}
            report = Path(data) / "report.json"
            _framelens("analyse", video, "--no-model", "--quiet", "--output", report, environment=environment)
            if question := _ASKED_WITHOUT_MODEL.get((language, name)):
                _framelens("ask", "latest", question, "--no-model", "--quiet", environment=environment)
            _framelens(
                "export", "latest", "--format", _FORMATS_WITHOUT_MODEL, "--output", folder, environment=environment
            )


def _framelens(*arguments: object, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "framelens.cli.main", *map(str, arguments)]
    subprocess.run(command, check=True, cwd=ROOT, env=dict(environment))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for one in _ANSWERS:
        write(one, TARGET / one)
        write_without_model(one, TARGET / one)
