"""What the wheel holds of the reference solutions, for hatchling: all but their outputs.

Those are half of what a clone weighs, a run brings them back, and `convcraft check` asks for cells alone.
"""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FIGURE = re.compile(r"(!\[[^\]]*\]\([^)\s]+)\.svg\)")


class Solutions(BuildHookInterface):
    """Puts the lightened notebooks where `solutions/` would stand."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write them to a folder of their own, and name each to hatchling."""
        self._folder = Path(tempfile.mkdtemp())
        if version == "editable":
            return
        root = Path(self.root)
        for path in (path.relative_to(root) for path in root.glob("solutions/**/[!.]*.ipynb")):
            if ".ipynb_checkpoints" not in path.parts:
                light = self._folder / path
                light.parent.mkdir(parents=True, exist_ok=True)
                light.write_text(_light((root / path).read_text(encoding="utf-8")), encoding="utf-8")
                build_data["force_include"][str(light)] = f"convcraft/course/{path.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Throw the folder away."""
        shutil.rmtree(self._folder)


def _light(text: str) -> str:
    """A notebook without outputs that shows figures in pixels, as those that students open: the wheel has no SVGs."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        else:
            cell["source"] = _FIGURE.sub(r"\1.webp)", "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
