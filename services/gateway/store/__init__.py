"""Everything that the gateway says to Postgres."""
