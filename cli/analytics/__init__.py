"""What the dispatcher's figures look like in a terminal, and how they are followed."""
