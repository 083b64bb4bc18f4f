"""Other tools' files as a cluster file and logins, one package for each tool; pure, like the rest of the domain."""
