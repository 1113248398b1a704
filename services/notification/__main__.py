"""`python -m services.notification`: serve, or an operator's command."""

from services.notification.main import main

if __name__ == "__main__":
    main()
