"""What every other package may use: settings, errors, keys, Redis, task names."""
