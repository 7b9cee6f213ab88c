"""How it is shown: rich values for the terminal, made of records; nothing here prints."""
