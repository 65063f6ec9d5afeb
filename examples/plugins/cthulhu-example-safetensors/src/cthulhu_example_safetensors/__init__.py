"""Models in ``.safetensors`` files: the services in plugin.py, the file format in file.py."""
