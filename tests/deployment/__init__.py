"""What an operator deploys with, held to what Herald is."""
