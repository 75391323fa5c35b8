"""What the features cost, beside the same features in other libraries, one file each."""
