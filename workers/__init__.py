"""What a Procfile runs. Every worker is stateless: kill any of them at any time."""
