"""A notebook on its way: as released, as submitted, rebuilt from both."""
