"""Command `framelens admin restore`: fills an empty data folder from a backup, or only checks the backup."""

import json
import sys

from framelens.plugin import load, t
from framelens.plugin.command_line import Options, argument, command, flag, json_option, parse_path, use_language
from framelens.plugin.files import readable
from framelens.plugin.storage import BackupManifest, check_backup, restore_backup
from framelens.plugin.texts import human_size


@command("restore", help="cli.restore_command")
@argument("source", type=parse_path, metavar="SOURCE", help="cli.restore_source")
@flag("--check", help="cli.restore_check")
@json_option
def run(options: Options) -> int:
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
    found = {"created": manifest.created, "framelens": manifest.framelens, "files": manifest.num_files}
    size = manifest.size_bytes
    if options.json:
        print(json.dumps({**found, "bytes": size, "videos": manifest.videos, **values}, ensure_ascii=False))
        return
    print(t(key, **found, **values, size=human_size(size)))
