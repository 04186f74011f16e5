"""From `source/` to `assets/`, `notebooks/` and `solutions/`, and the checks that all of it holds together."""
