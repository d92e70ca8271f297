"""Commands `framelens admin backup` and `restore`: all of a user's work in one file, also while the app runs."""

import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from framelens.cli.common import json_option, print_json, use_language
from framelens.cli.grammar import Options, argument, command, flag, parse_path
from framelens.cli.report_output import check_ending, check_output_file, names_folder, overwrite_option, typed_output
from framelens.config import load
from framelens.core.files import free_path, readable
from framelens.core.units import human_size
from framelens.i18n import t
from framelens.store.audit import AuditLog
from framelens.store.backup import BackupManifest, backup_bytes, check_backup, restore_backup, write_backup
from framelens.store.database import DATABASE, open_store


@command("backup", help="cli.backup_command")
@argument("target", metavar="TARGET", help="cli.backup_target")
@flag("--no-videos", help="cli.backup_no_videos")
@overwrite_option
@json_option
def write(options: Options) -> int:
    """Write the backup and return the exit code.

    Raises:
        AppError: The target is there already, or a disk refuses.
    """
    settings = load()
    use_language(options, settings)
    target, videos = _file(options.target), not options.no_videos
    check_output_file("backup", target, inputs=(), overwrites=options.overwrite)
    if (settings.data_dir / DATABASE).exists():
        size = human_size(backup_bytes(settings.data_dir, videos=videos))
        print(t("cli.backup_size", folder=readable(str(settings.data_dir)), size=size), file=sys.stderr)
    manifest = write_backup(settings.data_dir, target, videos=videos)
    with closing(open_store(settings.data_dir)) as store:
        AuditLog(store).record("backup", object_name=target.name)
    if options.json:
        document = {"path": str(target), "bytes": target.stat().st_size, "files": manifest.num_files, "videos": videos}
        print_json(document)
        return 0
    print(t("cli.backup_done", path=readable(str(target)), size=human_size(target.stat().st_size)))
    if (settings.data_dir / "model.json").exists():
        print(t("cli.backup_without_keys"), file=sys.stderr)
    return 0


def _file(target: str) -> Path:
    """Return the target itself, or a file with the time in its name if the target is, or ends like, a folder."""
    path = typed_output("backup", target)
    if not names_folder(target):
        if path.suffix:
            check_ending("backup", path, [".zip"])
        return path
    return free_path(path / f"framelens-{datetime.now(UTC):%Y%m%d-%H%M%S}.backup.zip")


@command("restore", help="cli.restore_command")
@argument("source", type=parse_path, metavar="SOURCE", help="cli.restore_source")
@flag("--check", help="cli.restore_check")
@json_option
def restore(options: Options) -> int:
    """Check or restore the backup and return the exit code.

    Raises:
        AppError: The backup can't be used, the data folder isn't empty, or a disk refuses.
    """
    settings = load()
    use_language(options, settings)
    if options.check:
        _report(options, check_backup(options.source), "cli.restore_sound")
        return 0
    manifest = restore_backup(options.source, settings.data_dir)
    _report(options, manifest, "cli.restore_done", folder=readable(str(settings.data_dir)))
    if not manifest.videos and not options.json:
        print(t("cli.restore_without_videos"), file=sys.stderr)
    return 0


def _report(options: Options, manifest: BackupManifest, key: str, **values: str) -> None:
    facts = {"created": manifest.created, "framelens": manifest.framelens, "files": manifest.num_files}
    size = manifest.size_bytes
    if options.json:
        print_json({**facts, "bytes": size, "videos": manifest.videos, **values})
        return
    print(t(key, **facts, **values, size=human_size(size)))
