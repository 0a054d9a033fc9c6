"""`sgd-theory cache`: the compiled kernels that are kept."""

from __future__ import annotations

from typing import Annotated

import typer

from derivations.cli.application import command
from derivations.cli.options import AsJson, Debug


@command("cache")
def cache_command(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every cached kernel.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show where compiled kernels are kept and how much they take, or delete them."""
    from derivations import display
    from numerics.cache import cache_content, clear_cache

    before = clear_cache() if clear else cache_content()
    kept = cache_content() if clear else before
    kernels, files, size = before.kernels - kept.kernels, before.files - kept.files, before.size - kept.size
    if json:
        held = {"folder": kept.folder, "kernels": kept.kernels, "files": kept.files, "size": kept.size}
        removed = {"removed": {"kernels": kernels, "files": files, "size": size}} if clear else {}
        display.write_json({**held, **removed})
        return
    if clear:
        display.say(f"removed {kernels} kernels, {files} files, {display.bytes_text(size)}")
    display.say(
        f"folder   {kept.folder}\nkernels  {kept.kernels}\nfiles    {kept.files}\nsize     {display.bytes_text(kept.size)}"
    )
