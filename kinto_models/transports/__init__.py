"""Row 2: ``send(Request) -> Response``. Foreign exceptions become ours here and nowhere else."""
