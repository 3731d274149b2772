"""What beat has done; see `tasks.upkeep.base` for what all of it has in common."""
