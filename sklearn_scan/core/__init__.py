"""What all rooms stand on: arrays in blocks, devices, seeds, files and checks."""
