"""Results of `analysis` as frozen records, which `api` passes to `render`."""
