"""Write what happens in videos into files beside them, which media servers read: NFO for Jellyfin, XMP for immich.

    python examples/sidecars.py FOLDER [--nfo] [--xmp] [--chapters] [--replace] [--no-model]

Without an option, all three are written: talk.nfo, talk.mp4.xmp and talk.chapters.txt (FFmpeg's metadata, which
`ffmpeg -i talk.mp4 -i talk.chapters.txt -map_metadata 1 -codec copy with-chapters.mp4` puts into a copy). A file that
exists is kept, unless `--replace` is given.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.etree import ElementTree

import framelens

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v"}
RDF, DC = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
META = "adobe:ns:meta/"


def title_and_text(analysis: framelens.Analysis) -> tuple[str, str]:
    """Return a headline and a description; without a model's words, what was measured in the words of the report."""
    statements = [finding.text for finding in (*analysis.overview, *analysis.findings)]
    if statements:
        return analysis.title or Path(analysis.video.name).stem, "\n".join(statements)
    with_pictures = framelens.report(analysis, "markdown").decode().splitlines()
    texts = (line for line in with_pictures if line and not line.startswith(("#", "!", "|", "<", "-")))
    return Path(analysis.video.name).stem, "\n".join(texts)


def nfo(analysis: framelens.Analysis) -> bytes:
    """Return an NFO of Kodi's form for a film, which Jellyfin reads."""
    root, (title, text) = ElementTree.Element("movie"), title_and_text(analysis)
    for name, value in (("title", title), ("plot", text), ("dateadded", analysis.created[:10])):
        ElementTree.SubElement(root, name).text = value
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def xmp(analysis: framelens.Analysis) -> bytes:
    """Return an XMP packet with title and description in Dublin Core, which immich and digiKam read."""
    for prefix, address in (("x", META), ("rdf", RDF), ("dc", DC)):
        ElementTree.register_namespace(prefix, address)
    root = ElementTree.Element(f"{{{META}}}xmpmeta")
    rdf = ElementTree.SubElement(root, f"{{{RDF}}}RDF")
    description = ElementTree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    for name, value in zip(("title", "description"), title_and_text(analysis), strict=True):
        alternatives = ElementTree.SubElement(ElementTree.SubElement(description, f"{{{DC}}}{name}"), f"{{{RDF}}}Alt")
        entry = ElementTree.SubElement(alternatives, f"{{{RDF}}}li")
        entry.set("{http://www.w3.org/XML/1998/namespace}lang", "x-default")
        entry.text = value
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def chapters(analysis: framelens.Analysis) -> bytes:
    """Return the chapters as FFmpeg's metadata."""
    return framelens.report(analysis, "ffmetadata")


KINDS = {"nfo": ("{stem}.nfo", nfo), "xmp": ("{name}.xmp", xmp), "chapters": ("{stem}.chapters.txt", chapters)}


def main() -> int:
    """Write the sidecars of the videos in a folder; return the number of videos that failed."""
    parser = argparse.ArgumentParser(description="Write NFO, XMP and chapters beside videos.")
    parser.add_argument("folder", type=Path)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true")
    parser.add_argument("--replace", action="store_true", help="replace files that exist")
    parser.add_argument("--no-model", action="store_true")
    given = parser.parse_args()

    wanted, failures = [kind for kind in KINDS if getattr(given, kind)] or list(KINDS), 0
    with framelens.Session(language="en") as session:
        for video in sorted(path for path in given.folder.iterdir() if path.suffix.lower() in SUFFIXES):
            files = {kind: video.with_name(KINDS[kind][0].format(stem=video.stem, name=video.name)) for kind in wanted}
            missing = {kind: path for kind, path in files.items() if given.replace or not path.exists()}
            kept = [path.name for path in files.values() if path not in missing.values()]
            if kept:
                print(f"{video.name}: kept {', '.join(kept)}")
            if not missing:
                continue
            try:
                analysis = session.analyse(video, use_model=not given.no_model)
            except framelens.InputError as error:  # this video can't be used; the next may be
                failures += 1
                print(f"{video.name}: {error}")
                continue
            for kind, path in missing.items():
                try:
                    path.write_bytes(KINDS[kind][1](analysis))
                    print(f"{video.name}: wrote {path.name}")
                except framelens.InputError:
                    print(f"{video.name}: has no {kind}")
    return failures


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (framelens.AppError, OSError) as error:
        raise SystemExit(str(error)) from None
