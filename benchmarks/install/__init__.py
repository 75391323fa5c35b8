"""What each extra installs."""
