"""JupyterLab, opened for a reader on copies of his own, for a teacher on the course."""
