"""What nbgrader keeps and shows: its gradebook, its feedback, its pages, its preprocessors."""
