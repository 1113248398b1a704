"""Reading what clients of the DELPHOS dialect send: strict types, and all that is wrong at once."""
