"""From submissions to marks: rebuild the notebook, run it sealed off, judge what was observed, record."""
