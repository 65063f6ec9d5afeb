"""Models in ``.safetensors`` files. plugin.py has the services, file.py what stands in a file."""
