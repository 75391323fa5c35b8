"""What more symbols need than one process serves: a model on paper, and measurements of it."""
