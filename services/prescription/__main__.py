"""`python -m services.prescription`: the service."""

from services.prescription.main import main

if __name__ == "__main__":
    main()
