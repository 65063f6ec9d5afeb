"""TensorBoard: curves, histograms, graph, images and embeddings of a training, for TensorBoard to show."""

from cthulhu_tensorboard.callback import TensorBoard

__all__ = ["TensorBoard"]
