"""Models in HDF5 files that Keras reads, too: see plugin.py for the services, layout.py for the format."""

__all__: list[str] = []
