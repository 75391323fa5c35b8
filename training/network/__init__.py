"""What every family is built of: the model, its layers and its heads."""
