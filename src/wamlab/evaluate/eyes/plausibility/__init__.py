"""From two frames to the actions between them: decoders that have seen true frames and true states only."""
