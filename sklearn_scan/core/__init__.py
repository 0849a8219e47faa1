"""The basis of all rooms: features and rows, devices, random numbers, files, checks."""
