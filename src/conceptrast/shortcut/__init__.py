"""Which concept gives a planted shortcut away: rankings of pictures by directions, and an attack."""
