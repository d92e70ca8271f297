"""Addresses typed in place of a file, and the functions of plugins that read them."""

import os
from pathlib import Path

from framelens import registry
from framelens.core.errors import InputError, VideoError
from framelens.core.files import address_in, given_path
from framelens.core.links import is_link, typed_link, with_scheme


def file_of(typed: str) -> str:
    """Return the path of a plugin's video for a typed address; `typed` if it names a file or no plugin reads it.

    Raises:
        InputError: "path_blank": it is blank, as a variable that isn't set.
        AppError: The plugin has no video for the address, or failed.
    """
    path = given_path(typed)
    address = with_scheme(typed) if typed.lower().startswith("www.") else typed
    if ":" not in address or os.path.lexists(path):
        return typed
    for part in registry.unique("sources"):
        if address.startswith(part.name) and (read := part.load()):
            return str(part.guard(lambda read=read: Path(read(address)))())
    return typed


def link_in(typed: str) -> str:
    """Return the link to a video that a user typed, completed as browsers do.

    Raises:
        AppError: It is none: an address that isn't fetched, or no address at all.
    """
    text = with_scheme(typed.strip())
    if is_link(text):
        return typed_link(text)
    if other := address_in(text):
        raise address_error(other)
    raise InputError("url_invalid", url=text[:200])


def address_error(address: str) -> VideoError:
    """Return the error for an address that isn't read; it names the beginnings that plugins read."""
    prefixes = tuple(part.name for part in registry.unique("sources"))
    if address.startswith("s3://"):
        return VideoError("video_in_s3", address=address)
    if is_link(address) and not address.startswith(prefixes):
        return VideoError("link_without_plugin", address=address)
    if not prefixes:
        return VideoError("video_is_address_alone", address=address)
    return VideoError("video_is_address", address=address, known=", ".join(prefixes))
