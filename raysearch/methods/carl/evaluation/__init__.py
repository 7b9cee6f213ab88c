"""The evaluation of CARL: probes, downstream tasks, geometry, diagnostics."""
