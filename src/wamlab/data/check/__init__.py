"""`wam data check`: what is wrong with a dataset, named by file, field and episode, with the fix."""
