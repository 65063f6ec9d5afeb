"""TensorBoard: log curves, histograms, the graph, images and embeddings of a training."""

from cthulhu_tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
