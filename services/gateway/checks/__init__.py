"""What the gateway checks alone, before a request becomes a command."""
