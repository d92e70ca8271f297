"""Command `framelens restore`: fills an empty data folder from a backup, or only checks the backup."""

import argparse
import json
import sys
from pathlib import Path

from framelens import config
from framelens.cli.common import add_output_options, use_language
from framelens.core.files import readable
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.store.backup import BackupManifest, check_backup, restore_backup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help=t("cli.restore_source"))
    parser.add_argument("--check", action="store_true", help=t("cli.restore_check"))
    add_output_options(parser, None)


def run(given: argparse.Namespace) -> int:
    """Check or restore the backup and return the exit code.

    Raises:
        AppError: The backup can't be used, the data folder isn't empty, or a disk refuses.
    """
    settings = config.load()
    use_language(given, settings)
    if given.check:
        _report(given, check_backup(given.source), "cli.restore_sound")
        return 0
    manifest = restore_backup(given.source, settings.data_dir)
    _report(given, manifest, "cli.restore_done", folder=readable(str(settings.data_dir)))
    if not manifest.videos and not given.json:
        print(t("cli.restore_without_videos"), file=sys.stderr)
    return 0


def _report(given: argparse.Namespace, manifest: BackupManifest, key: str, **values: str) -> None:
    found = {"created": manifest.created, "framelens": manifest.framelens, "files": manifest.num_files}
    size = manifest.size_bytes
    if given.json:
        print(json.dumps({**found, "bytes": size, "videos": manifest.videos, **values}, ensure_ascii=False))
        return
    print(t(key, **found, **values, size=human_size(size)))
