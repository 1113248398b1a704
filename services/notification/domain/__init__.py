"""What is printed, how it is said, and when a delivery is tried again."""
