"""What is left of the record when daemons and their Redis are killed over and over."""
