"""Whether what is computed live has the bits of what training computed."""
