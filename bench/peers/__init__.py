"""What Herald is measured against."""
