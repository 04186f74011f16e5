"""The main job without a person: a class that is made up of the exercises themselves, graded from start to end."""
