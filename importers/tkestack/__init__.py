"""TKEStack's documents (Cluster and Machine of platform.tkestack.io/v1) as a cluster file and logins; pure, like the rest of the domain."""
