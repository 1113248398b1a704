"""What can be checked about a seal and its parts without asking anyone: no network, no database."""
