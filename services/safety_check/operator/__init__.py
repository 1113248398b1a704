"""What people do with the safety-check service at a terminal."""
