"""Legacy encodings of subtitles: files decoded wrongly by FrameLens and by charset-normalizer, as a Markdown table.

    python -m benchmarks.subtitle_encodings [--catalogues /usr/share/locale] [--seed 5]

The sentences are translations that programs of this machine bring (gettext catalogues), chosen at random and written as
SubRip of few and many cues, in the encodings of Windows, East Asia, DOS, Mac, ISO and KOI8.
charset-normalizer has the whole list of encodings, too.
"""

from __future__ import annotations

import argparse
import gettext
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from charset_normalizer import from_bytes

from framelens.video.subtitles.encodings import UnknownEncodingError, decoded

_USUAL = {
    "cp1251": "ru uk bg sr be", "cp1252": "de fr es pt_BR it nl sv da nb fi ca is", "cp1250": "pl cs hu sk ro sl hr",
    "cp1254": "tr", "cp1257": "lt lv et", "cp1253": "el", "cp1255": "he", "cp1256": "ar fa", "cp874": "th",
    "cp932": "ja", "cp949": "ko", "gb18030": "zh_CN", "big5hkscs": "zh_TW",
}  # fmt: skip
_RARE = {
    "cp866": "ru bg", "koi8_r": "ru", "koi8_u": "uk", "iso8859_5": "ru", "mac_cyrillic": "ru", "cp1125": "uk",
    "cp850": "de fr es pt_BR sv", "mac_roman": "de fr", "cp852": "pl cs hu", "iso8859_2": "pl cs hu", "cp857": "tr",
    "cp737": "el", "cp862": "he", "cp720": "ar", "euc_jp": "ja",
}  # fmt: skip
_NUM_CUES = (2, 6, 20)
_TRIES = 6
"""Files of each length, language and encoding."""


def main(arguments: Sequence[str]) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.subtitle_encodings", description=__doc__)
    parser.add_argument("--catalogues", type=Path, default=Path("/usr/share/locale"))
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args(arguments)
    chosen = random.Random(options.seed)
    print("| encodings | cues | files | FrameLens wrong | charset-normalizer wrong |\n|---|---|---|---|---|")
    for name, table in (("Windows, East Asia", _USUAL), ("DOS, Mac, ISO, KOI8", _RARE)):
        files = [file for pair in table.items() for file in _files(options.catalogues, *pair, chosen)]
        for cues in _NUM_CUES:
            texts = [(data, text) for length, data, text in files if length == cues]
            wrong = Counter(reader for data, text in texts for reader in READERS if not _is_right(reader, data, text))
            print(f"| {name} | {cues} | {len(texts)} | {wrong[_ours]} | {wrong[_library]} |", flush=True)
    return 0


def _files(catalogues: Path, encoding: str, languages: str, chosen: random.Random) -> Iterator[tuple[int, bytes, str]]:
    """Yield the number of cues of files in an encoding, their bytes and their text."""
    for language in languages.split():
        sentences = _sentences(catalogues, language)
        for cues in _NUM_CUES if len(sentences) >= max(_NUM_CUES) else ():
            for _ in range(_TRIES):
                lines = enumerate(chosen.sample(sentences, cues), 1)
                text = "".join(f"{number}\n00:00:01,000 --> 00:00:02,000\n{line}\n\n" for number, line in lines)
                data = text.encode(encoding, "ignore")
                yield cues, data, data.decode(encoding)


def _sentences(catalogues: Path, language: str) -> list[str]:
    """Return the translations that have letters beyond ASCII and about the length of a cue."""
    sentences = set[str]()
    for path in sorted(
        file for name in {language, language[:2]} for file in catalogues.glob(f"{name}/LC_MESSAGES/*.mo")
    ):
        if not path.name.startswith(("iso", "gtk30-properties")):  # names of places and properties are no sentences
            sentences |= {text.strip() for text in _texts(path) if _is_sentence(text)}
    return sorted(sentences)


def _texts(path: Path) -> list[str]:
    """Return the translations of a catalogue, or [] if it can't be decoded."""
    with path.open("rb") as file, suppress(UnicodeDecodeError):
        texts = gettext.GNUTranslations(file)._catalog.values()  # type: ignore[attr-defined]  # it lists them nowhere
        return [text for text in texts if isinstance(text, str)]
    return []


def _is_sentence(text: str) -> bool:
    return 20 < len(text) < 90 and not text.isascii() and not set("%\n") & set(text)


def _ours(data: bytes) -> str:
    try:
        return decoded(data).text
    except UnknownEncodingError:
        return ""


def _library(data: bytes) -> str:
    return str(from_bytes(data, cp_isolation=[*_USUAL, *_RARE]).best() or "")


READERS: tuple[Callable[[bytes], str], ...] = (_ours, _library)


def _is_right(reader: Callable[[bytes], str], data: bytes, text: str) -> bool:
    return unicodedata.normalize("NFC", reader(data)) == unicodedata.normalize("NFC", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
