"""From bars to messages: windows, features, the model, and the one loop that owns them."""
