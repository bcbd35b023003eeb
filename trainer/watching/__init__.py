"""What is seen of a training from outside: gradients, activity, dynamics, and scores before it begins."""
