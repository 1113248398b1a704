"""Between contracts and domain: what comes in read as values, what became true told as messages."""
