"""Row 3: model state into operations, answers into models, and who runs them."""
