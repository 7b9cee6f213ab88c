"""What CARL is measured by: probes, downstream tasks, geometry, diagnostics."""
