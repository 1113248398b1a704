"""The gateway's words on the wire: ids, errors, and the two dialects' bodies."""
