"""What the notebook needs besides the models: pictures, training, comparison of numbers, seeds."""
