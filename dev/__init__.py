"""The development platform: everything that Recepta needs, on one machine, without Docker."""
