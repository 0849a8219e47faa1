"""The stages of a long benchmark, kept in a folder, so that a killed run goes on."""

import json
import time
from pathlib import Path

import joblib


class Stages:
    """What was done, each part once.

    Parameters
    ----------
    folder : Path
        Where it is kept.
    name : str
        Whose stages they are, in what is printed.

    Attributes
    ----------
    seconds : dict of str to float
        Of each stage, without those of stages within it. Of one that was killed, only
        those since.
    """

    def __init__(self, folder, name):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.seconds = {}
        self._spent = 0.0  # in all, by this run

    def keep(self, name, make):
        """Return what `make` returns, from the folder if it is there already."""
        file = self.folder / f"{name}.joblib"
        if file.is_file():
            made, self.seconds[name] = joblib.load(file)
            return made
        start, spent = time.perf_counter(), self._spent
        made = make()
        elapsed = time.perf_counter() - start
        seconds = elapsed - (self._spent - spent)  # less those of stages within it
        self._spent = spent + elapsed
        print(f"{self.name}, {name}: {seconds:.0f} s", flush=True)
        self.seconds[name] = seconds
        joblib.dump((made, seconds), file.with_suffix(".part"))
        file.with_suffix(".part").replace(file)  # an interrupted one does not count
        return made


def claim(folder, settings, name="settings"):
    """Note whose stages the folder keeps; stop if they are of other settings."""
    file, own = folder / f"{name}.json", json.dumps(settings, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    if file.is_file() and file.read_text() != own:
        raise SystemExit(f"{folder} keeps the stages of other settings, see {file}.")
    file.write_text(own)
