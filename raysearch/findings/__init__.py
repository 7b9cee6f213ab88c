"""What analysis finds and render shows: frozen records, which `api` hands from one to the other."""
