"""The walls around answers, the warm process within them, its children, and what they send."""
