"""Recordings with known words and times: espeak-ng's voices, and what is mixed with them."""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Sound = NDArray[np.float32]
ENGLISH = (
    "The committee met on Tuesday to discuss the new bridge across the river.",
    "Three engineers explained why the old one cannot carry heavy trucks any longer.",
    "A farmer asked who would pay for the road between the village and the station.",
    "No one had expected that the money would be ready before the end of the winter.",
    "After a short break the chairman read a letter from the ministry of transport.",
    "Work on the foundations begins in April and should take about eleven months.",
)
CHINESE = (
    "今天下午三点我们在会议室讨论新的工作计划。",
    "请大家提前准备好材料并且把手机调成静音。",
    "这个城市的地铁每天有两百万人乘坐。",
    "医生建议他每天早上走路半个小时。",
    "因为下雨比赛改到星期六上午举行。",
    "老师让学生们把作业交给班长。",
)
_SYNCHRONOUS, _UTF8, _WORD, _END = 2, 1, 1, 0
_PAUSE_SECONDS = 1.5


@dataclass(frozen=True)
class Recording:
    """Sound with what is said in it.

    Attributes:
        name: Its name in the table.
        language: "en", or "zh", whose characters count as words.
        sound: Samples of one channel at RATE, within -1 and 1.
        words: What is said; () for nothing.
        starts: The second at which each word begins, () if that isn't known.
    """

    name: str
    language: str
    sound: Sound
    words: tuple[str, ...]
    starts: tuple[float, ...] = ()

    @property
    def seconds(self) -> float:
        """Return its length."""
        return len(self.sound) / RATE


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Listener = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """espeak-ng, which says when each of its words begins. Raises OSError if it isn't installed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 500, None, 0)
        self._samples: list[NDArray[np.int16]] = []
        self._words: list[tuple[int, float]] = []
        self._callback = _Listener(self._received)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(1, 150, 0)  # words a minute

    def _received(self, samples: object, count: int, events: object) -> int:
        if samples and count:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        number = 0
        while events[number].type != _END:  # type: ignore[index]
            if events[number].type == _WORD:  # type: ignore[index]
                self._words.append((events[number].position, events[number].milliseconds / 1000))  # type: ignore[index]
            number += 1
        return 0

    def say(self, text: str, voice: str) -> tuple[Sound, list[float]]:
        """Return the sound of a sentence, and when each of its words (in Chinese, characters) begins."""
        self._samples, self._words = [], []
        self._library.espeak_SetVoiceByName(voice.encode())
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        sound = np.concatenate(self._samples).astype(np.float32) / 32768
        at = np.arange(0, len(sound), self._rate / RATE)
        return np.interp(at, np.arange(len(sound)), sound).astype(np.float32), [start for _, start in self._words]


@cache
def spoken(language: str) -> Recording:
    """Return the sentences of a language with pauses between them."""
    espeak = Espeak()
    parts, words, starts, at = [silence(1.0)], list[str](), list[float](), 1.0
    for sentence in ENGLISH if language == "en" else CHINESE:
        sound, times = espeak.say(sentence, "en-us" if language == "en" else "cmn")
        said = words_of(sentence, language)
        starts += [at + one for one in times] if len(times) == len(said) else [float("nan")] * len(said)
        words += said
        parts += [sound, silence(_PAUSE_SECONDS)]
        at += len(sound) / RATE + _PAUSE_SECONDS
    return Recording(f"espeak {language}", language, np.concatenate(parts), tuple(words), tuple(starts))


def read(path: Path, name: str, text: str) -> Recording:
    """Return a recording of English speech whose words are known."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [one for frame in container.decode(audio=0) for one in resampler.resample(frame)]
    sound = np.concatenate([one.to_ndarray().reshape(-1) for one in frames]).astype(np.float32) / 32768
    return Recording(name, "en", sound, tuple(words_of(text, "en")))


def words_of(text: str, language: str) -> list[str]:
    """Return the units that are compared: words in lower case, or the characters of Chinese."""
    if language == "zh":
        return [char for char in text if char.isalnum()]
    kept = "".join(char if char.isalnum() or char in " '" else " " for char in text.lower())
    return kept.split()


def silence(seconds: float) -> Sound:
    """Return no sound."""
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float, level: float) -> Sound:
    """Return white noise of this root mean square."""
    return (level * np.random.default_rng(5).standard_normal(round(seconds * RATE))).astype(np.float32)


def music(seconds: float, level: float) -> Sound:
    """Return chords of plucked strings, a new chord every half a second."""
    time = np.arange(round(0.5 * RATE)) / RATE
    chords = ((262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294))
    bars = [
        sum(np.sin(2 * np.pi * hertz * order * time) / order for hertz in chord for order in (1, 2, 3))
        * np.exp(-4 * time)
        for chord in chords
    ]
    tune = np.tile(np.concatenate(bars), int(seconds / 2) + 1)[: round(seconds * RATE)]
    return (level * tune / np.sqrt((tune**2).mean())).astype(np.float32)


def mixed(recording: Recording, name: str, other: Sound) -> Recording:
    """Return a recording with another sound over all of it."""
    return replace(recording, name=f"{recording.name}, {name}", sound=np.clip(recording.sound + other, -1, 1))


def level_of(recording: Recording) -> float:
    """Return the root mean square of the speech, without the pauses."""
    loud = recording.sound[np.abs(recording.sound) > 0.01]
    return float(np.sqrt((loud**2).mean()))
