"""What is asked of a server, and decided between two answers: generators that yield operations, and send nothing."""
