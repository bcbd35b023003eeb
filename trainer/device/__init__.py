"""Measuring on a device of the user's: a command is given the network as ONNX and prints its figures as JSON."""
