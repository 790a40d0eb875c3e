"""Could the imagined future be done? Decoded to actions by more than one decoder, held to the limits, executed, and scored
by what came of it."""
