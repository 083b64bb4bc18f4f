"""What runs, in which order, what side by side; one public flow per file."""
