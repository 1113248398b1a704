"""What the DELPHOS dialect says: its objects, its errors, and how outcomes are answered in it."""
