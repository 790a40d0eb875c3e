"""Is what was imagined physically right? Laws read from states of the physics scenes, masks of moving pixels, colours."""
