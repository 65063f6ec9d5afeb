"""What is installed: packages, plugins, configuration."""
