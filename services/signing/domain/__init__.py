"""What is sealed and how its bytes come about: canonical JSON, group digests, payloads, JWS; pure Python."""
