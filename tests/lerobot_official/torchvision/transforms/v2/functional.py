"""Empty: LeRobot imports the name."""
