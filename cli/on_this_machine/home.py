"""What Darkroom builds once and keeps: its folder, and the default backbone in it."""

from __future__ import annotations

import os
from pathlib import Path

from cli.terminal.say import say
from darkroom.model.export import BuiltModel, build_model, cached_model
from darkroom.output_to_log import output_to


def home() -> Path:
    """Where Darkroom keeps what it builds once: `$DARKROOM_HOME` or `~/.cache/darkroom`."""
    return Path(os.environ.get("DARKROOM_HOME", "~/.cache/darkroom")).expanduser()


def ensure_model(weights: Path | None = None, rebuild: bool = False) -> BuiltModel:
    """The default backbone; built on first use, with a message that names the weights."""
    folder = home() / "model"
    found = None if rebuild else cached_model(folder)
    if found is None:
        say("building the backbone (once, about half a minute) ...")
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with output_to(folder / "build.log", 1, 2):
            found = build_model(folder, weights)
        say(f"built {model_words(found)}")
    return found


def model_words(built: BuiltModel) -> str:
    """The backbone's id and where its weights are from."""
    return f"backbone {built.description['id'][:12]}, from {built.description['weights']['source']}"
