"""What a training costs, beside the same training written the plain way."""
