"""The leanest loop that PyTorch allows, the baseline of the comparison.

Rows are gathered once per epoch and cut into views if they fit into the processor's cache, else gathered batch by
batch. The optimizer is fused, gradients are set to None, and the loss is read once per batch if a callback needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from time import perf_counter
from typing import Any

import torch
from request import RATE, Request
from torch import Tensor
from torch.nn import functional

CACHE = 2**20


def train(request: Request) -> float:
    """Return the seconds of the training."""
    model, options, device = request.network(), request.options, torch.device(request.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, fused=True)
    histories: list[list[float]] = [[] for _ in range(request.callbacks)]
    loader = request.loader() if request.data == "loader" else None
    x, y = (tensor.to(device) for tensor in request.tensors)
    size = request.work.batch_size
    accumulate, clipnorm = options.get("accumulate", 1), options.get("clipnorm")
    precision: Any = contextlib.nullcontext()
    if "autocast" in options:
        precision = torch.autocast(device.type, getattr(torch, options["autocast"]))

    def loss_of(inputs: Tensor, targets: Tensor) -> Tensor:
        with precision:
            outputs = model(inputs)
        return functional.cross_entropy(outputs.float() if "autocast" in options else outputs, targets)

    compute = torch.compile(loss_of) if options.get("jit_compile") else loss_of
    begin = perf_counter()
    for _ in range(request.epochs):
        batches: Iterable[Any] = loader or ()
        if loader is None:
            order = torch.randperm(len(x), device=x.device)
            if x.nbytes < CACHE:
                batches = zip(x[order].split(size), y[order].split(size), strict=True)
            else:
                batches = ((x[rows], y[rows]) for rows in order.split(size))
        for number, (inputs, targets) in enumerate(batches):
            if loader is None or device.type == "cpu":
                loss = compute(inputs, targets)
            else:
                loss = compute(inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True))
            if accumulate > 1:
                (loss / accumulate).backward()
                if (number + 1) % accumulate == 0:
                    optimizer.step()
                    optimizer.zero_grad()
            else:
                optimizer.zero_grad()
                loss.backward()
                if clipnorm is not None:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), clipnorm)
                optimizer.step()
            if histories:
                value = loss.item()
                for history in histories:
                    history.append(value)
    request.finish()
    return perf_counter() - begin
