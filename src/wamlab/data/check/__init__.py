"""`wam data check DATASET`: what is wrong with a dataset, named by file, field and episode, with the fix."""
