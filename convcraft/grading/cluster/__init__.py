"""Grading on many machines: Dask's scheduler and workers, and what the grader asks of them."""
