"""Portable human demonstrations: a hand-held gripper whose camera is tracked (UMI, arXiv 2402.10329)."""
