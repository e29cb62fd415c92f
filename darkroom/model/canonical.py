"""One ONNX file for one network: names and orders that depend on the graph alone."""

from __future__ import annotations

from typing import Any


def canonical_onnx(data: bytes) -> bytes:
    """`data` with nodes, tensors and weights named and sorted by their place in the graph.

    Exporters number names by counters of the process, so the same network exported twice gives
    other bytes, and so another SHA-256. Nothing that the network computes is changed.
    """
    import onnx

    model = onnx.load_from_string(data)
    graph = model.graph
    nodes = _in_order(graph)
    names = _names(graph, nodes)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    used = [name for name in names if name in weights]
    for position, node in enumerate(nodes):
        node.name = f"node_{position}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        node.ClearField("doc_string")
    kept = [weights[name] for name in used]
    for tensor in (*kept, *graph.input, *graph.output):
        tensor.name = names[tensor.name]
    return _assemble(onnx, model, nodes, kept)


def _in_order(graph: Any) -> list[Any]:
    """The nodes that the outputs need, each after those it needs itself."""
    makers = {output: node for node in graph.node for output in node.output}
    ordered: list[Any] = []
    done: set[int] = set()
    waiting = [makers[output.name] for output in reversed(graph.output)]
    while waiting:
        node = waiting[-1]
        needed = [makers[name] for name in node.input if name in makers]
        missing = [maker for maker in needed if id(maker) not in done]
        if missing:
            waiting.extend(reversed(missing))
            continue
        waiting.pop()
        if id(node) not in done:
            done.add(id(node))
            ordered.append(node)
    return ordered


def _names(graph: Any, nodes: list[Any]) -> dict[str, str]:
    names = {graph.input[0].name: "images", graph.output[0].name: "features", "": ""}
    for node in nodes:
        for name in (*node.input, *node.output):
            names.setdefault(name, f"tensor_{len(names)}")
    return names


def _assemble(onnx: Any, model: Any, nodes: list[Any], weights: list[Any]) -> bytes:
    inputs, outputs = model.graph.input, model.graph.output
    for value in (*inputs, *outputs):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    graph = onnx.helper.make_graph(nodes, "backbone", inputs, outputs, weights)
    versions = sorted(model.opset_import, key=lambda opset: opset.domain)
    used = [opset for opset in versions if opset.domain == ""]
    clean = onnx.helper.make_model(graph, opset_imports=used, ir_version=model.ir_version)
    onnx.checker.check_model(clean)
    return bytes(clean.SerializeToString(deterministic=True))
