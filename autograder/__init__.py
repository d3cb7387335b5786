"""A grader for one assignment: a variational autoencoder and a conditional one, on MNIST."""
