"""What was predicted, watched: drift, scores against what came to be, and who does better. A fold over the stream."""
