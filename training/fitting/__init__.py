"""How weights are found: the loop, losses, optimisers, and what is fitted after them."""
