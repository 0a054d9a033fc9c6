"""`sgd-theory models`: what is shipped."""

from __future__ import annotations

from derivations.cli.application import command
from derivations.cli.options import AsJson, Debug


@command("models")
def models_command(json: AsJson = False, debug: Debug = False) -> None:
    """List the shipped models, with their theory and the folder they lie in."""
    from derivations import display
    from derivations.model_files import outline, shipped_models

    paths = shipped_models()
    found = {name: outline(path) for name, path in paths.items()}
    if json:
        rows = [
            {"name": name, "title": title, "theory": theory, "file": paths[name]}
            for name, (title, theory) in found.items()
        ]
        display.write_json({"models": rows})
        return
    columns = (display.Column("name", text=True), display.Column("theory", text=True),
               display.Column("what it states", text=True, wraps=True))  # fmt: skip
    rows_shown = [(name, theory or "statement only", title) for name, (title, theory) in found.items()]
    display.show(display.Sheet.of(columns, rows_shown))
    for folder in sorted({path.parent for path in paths.values()}):
        display.say(f"\nin {folder}")
