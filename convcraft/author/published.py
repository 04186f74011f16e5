"""Where the course can be had: one setting, the table `[tool.convcraft]` in `pyproject.toml`.

Where it is empty, no launch link and no command to install is shown anywhere.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


class PublishedError(ValueError):
    """The setting is not as it should be; the message names the file and the remedy."""


@dataclass(frozen=True)
class Published:
    """Where readers find the course; empty strings where it is not published.

    Attributes:
        repository: `owner/name` on GitHub, which Colab, Kaggle and Binder open notebooks from.
        branch: the branch, or the tag, that they open.
        wheel: the wheel's address, or whatever else `pip install` takes.
        site: the address of the course's website, with a slash at its end.
    """

    repository: str = ""
    branch: str = "main"
    wheel: str = ""
    site: str = ""

    def launches(self, notebook: str) -> list[tuple[str, str]]:
        """Name and address of each service that opens a notebook, `notebooks/en/01_convolution/convolution.ipynb`."""
        if not self.repository:
            return []
        path = f"{self.repository}/blob/{self.branch}/{notebook}"
        return [("Colab", f"https://colab.research.google.com/github/{path}"),
                ("Kaggle", f"https://kaggle.com/kernels/welcome?src=https://github.com/{path}"),
                ("Binder", f"https://mybinder.org/v2/gh/{self.repository}/{self.branch}?labpath={notebook}")]


def published(root: Path) -> Published:
    """What the course's `pyproject.toml` says.

    Raises:
        PublishedError: it says something that cannot be used.
    """
    path = root / "pyproject.toml"
    settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    facts = settings.get("tool", {}).get("convcraft", {})
    if unknown := facts.keys() - {"repository", "branch", "wheel", "site"}:
        raise PublishedError(f"{path}: [tool.convcraft] knows no {min(unknown)!r}; there are repository, branch, "
                             "wheel, site")
    repository = facts.get("repository", "")
    found = _GITHUB.fullmatch(repository)
    if repository and not found:
        raise PublishedError(f"{path}: [tool.convcraft] repository is {repository!r}; it must be the address of a "
                             "repository on GitHub, https://github.com/OWNER/NAME, or be left out")
    site = facts.get("site", "")
    if site and not re.fullmatch(r"https?://\S+", site):
        raise PublishedError(f"{path}: [tool.convcraft] site is {site!r}; it must be an address, "
                             "https://OWNER.github.io/NAME, or be left out")
    return Published(found[1] if found else "", facts.get("branch", "main"), facts.get("wheel", ""),
                     f"{site.rstrip('/')}/" if site else "")
