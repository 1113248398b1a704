"""The step-by-step dialect: contract to what it shows, and its errors."""
