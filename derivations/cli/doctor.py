"""`sgd-theory doctor`: what is installed, which targets work, and why not."""

from __future__ import annotations

from typing import Any

import typer

from derivations.cli.application import ExitCode, command
from derivations.cli.options import AsJson, Debug
from derivations.cli.work import interruptible, progress


@command("doctor")
def doctor_command(json: AsJson = False, debug: Debug = False) -> None:
    """Say what is installed, which targets work and why not, and whether kernels can be cached.

    Exit code 2 where kernels do not even run on the CPU.
    """
    from derivations import display
    from derivations.cli import environment

    with progress("looking at this machine ...", quiet=json):
        found = interruptible(environment.examine)
    healthy = found["targets"]["cpu"]["works"]
    if json:
        display.write_json({"healthy": healthy, **found})
    else:
        _show(found)
    if not healthy:
        raise typer.Exit(ExitCode.CANNOT)


def _show(found: dict[str, Any]) -> None:
    from derivations import display

    say, mark = display.say, display.mark
    system = found["system"]
    say(f"sgd-theory {found['version']}, Python {system['python']}, {system['system']}")
    say(f"{system['processor']}, {system['cores']} cores, {system['usable_cores']} usable by this process")
    say("\npackages")
    for package in found["packages"]:
        say(f"  {mark(package['version'] is not None)} {package['name']} {package['version'] or 'is missing'}")
    say("\nextras")
    for name, extra in found["extras"].items():
        missing = extra["missing"]
        what = f"missing {', '.join(missing)}; {extra['install']}" if missing else ", ".join(extra["installed"])
        say(f"  {mark(None if missing else True)} {name}: {what}")
    for name, target in found["targets"].items():
        say(f"\ntarget {name}: {'works' if target['works'] else 'does not work'}")
        for check in target["checks"]:
            remedy = f"; {check['remedy']}" if check["remedy"] else ""
            say(f"  {mark(check['works'])} {check['name']}: {check['detail']}{remedy}")
    cache = found["cache"]
    say(f"\nkernel cache {cache['folder']}")
    held = f"{cache['kernels']} kernels, {display.bytes_text(cache['size'])}"
    say(f"  {mark(cache['writable'])} {held}" + (f"; {cache['problem']}" if cache["problem"] else ", can be written"))
    terminal = found["terminal"]
    say(
        f"\nterminal: {'a terminal' if terminal['is_terminal'] else 'a file or a pipe'}, encoding {terminal['encoding']}, "
        f"{terminal['columns'] or 'any number of'} columns, marks {mark(True)} {mark(False)} {mark(None)}"
    )
