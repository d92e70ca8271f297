"""Command `framelens admin backup`: writes all of the user's work to one file, also while the app runs."""

import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from framelens.plugin import load, t
from framelens.plugin.command_line import Options, argument, command, flag, json_option, use_language
from framelens.plugin.files import readable
from framelens.plugin.outputs import (
    check_ending,
    check_output_file,
    free_path,
    names_folder,
    overwrite_option,
    typed_output,
)
from framelens.plugin.storage import DATABASE, backup_bytes, open_store, write_backup
from framelens.plugin.texts import human_size
from framelens.plugin.users import AuditLog


@command("backup", help="cli.backup_command")
@argument("target", metavar="TARGET", help="cli.backup_target")
@flag("--no-videos", help="cli.backup_no_videos")
@overwrite_option
@json_option
def run(options: Options) -> int:
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
        found = {"path": str(target), "bytes": target.stat().st_size, "files": manifest.num_files, "videos": videos}
        print(json.dumps(found, ensure_ascii=False))
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
