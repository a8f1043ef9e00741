"""What somebody would rate an item: means, biases, factors, and a regressor over all of them."""
