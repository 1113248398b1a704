"""What is served over HTTP: the Osigu dialect's endpoints."""
