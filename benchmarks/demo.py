"""`make demo`, recorded: what it prints, its receipt and its bill. `python -m benchmarks.demo`.

Fills the README's block with what it printed, and draws the slides' pictures from its results.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.pictures import demo_folder
from benchmarks.record import save
from cli.pictures.slides import draw

ROOT = Path(__file__).parents[1]
METHOD = """\
`make demo` without a folder of one's own: some 400 crops of the photographs that scikit-image and
scikit-learn ship, and broken files, dropped into the local cloud's bucket by the AWS CLI. `printed`
is what it printed; `receipt` the run's receipt; `bill` what EMR Serverless would bill for the time
on this machine's cores."""
_BLOCK = re.compile(r"(?<=```console\n\$ make demo\n).*?(?=```)", re.S)


def main() -> None:
    """Run the demo in `.demo`, as `make demo` does."""
    place = Path(".demo")
    shutil.rmtree(place, ignore_errors=True)
    demo_folder(place / "photos")
    printed = _printed([sys.executable, "-m", "cli.demo", str(place / "photos"), str(place)])
    receipt = json.loads((place / "results/receipts/photos/run=1.json").read_text())
    bill = re.search(r"cost +([\d.]+) USD.*?([\d.]+) vCPU-hours, ([\d.]+) GB-hours", printed)
    assert bill is not None
    cost, vcpu_hours, gb_hours = map(float, bill.groups())
    bill_numbers = {"cost": cost, "vcpu_hours": vcpu_hours, "gb_hours": gb_hours}
    took = re.findall(r"^ *([\d.]+) s ", printed, re.M)[-1]
    numbers = {"printed": printed, "seconds": float(took), "receipt": receipt, "bill": bill_numbers}
    save("demo", METHOD, numbers)
    readme = ROOT / "README.md"
    readme.write_text(_BLOCK.sub(lambda _: printed, readme.read_text()))
    shutil.copy(place / "map.png", ROOT / "docs/map.png")
    draw(place / "results", place, ROOT / "presentation/pictures")


def _printed(command: list[str]) -> str:
    """What a command prints; it is shown as it comes."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(process.returncode)
    return "".join(lines)


if __name__ == "__main__":
    main()
