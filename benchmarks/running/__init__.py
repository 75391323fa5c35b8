"""What measurements and tests start beside them: commands of ours, programs, several Redis servers."""
