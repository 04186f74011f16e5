"""The course as a website: pages assembled from `solutions/`, `docs/` and `site/`; nothing of the course is run."""
