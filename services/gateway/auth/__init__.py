"""Who asks: access tokens, clients and their limits."""
