"""Which operations of a SavedModel may run: none that reaches files, the network or Python.

What can run is what the signatures, the initializers and the restore operation of a graph lead to,
through all functions that they call. An operation with a state of its own (in TensorFlow's
registry: stateful) must be one of those known to be harmless here. An operation without state is
harmless unless it is one of those named here.
"""

import re
from collections.abc import Collection, Iterable

from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import op_def_registry

from serving.server.status import failed_precondition

INIT_SIGNATURE = "__saved_model_init_op"
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op")

_HARMLESS = re.compile(
    # Variables.
    r"_?VarHandleOp|_?ReadVariables?Op|Assign(Add|Sub)?VariableOp|VarIsInitializedOp|VariableV?2?"
    r"|VariableShape|TemporaryVariable|DestroyResourceOp|DisableCopyOnRead"
    r"|Resource(Gather|GatherNd|Scatter\w*|StridedSliceAssign|CountUpTo)"
    # Control flow and checks.
    r"|StatefulPartitionedCall|_?If|_?While|Case|_Arg|_Retval|Assert|CheckNumerics(V2)?"
    r"|GuaranteeConst|Empty|DeepCopy|Print|TensorArray\w*|Stack(V2|Push\w*|Pop\w*|Close\w*)?"
    # Random numbers.
    r"|Random(Uniform|UniformInt|StandardNormal|Gamma|Poisson|PoissonV2|Shuffle|Crop)"
    r"|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial|NonDeterministicInts"
    r"|StatelessRandomGetAlg|SampleDistortedBoundingBox(V2)?|Rng(Skip|ReadAndSkip)"
    r"|Stateful(Uniform\w*|StandardNormal\w*|TruncatedNormal|RandomBinomial)"
    # Tables in memory, and layers for GPUs.
    r"|(Anonymous)?(Mutable)?(Dense)?HashTable(V2|OfTensors|OfTensorsV2)?"
    r"|LookupTable(Find|Insert|Remove|Size|Export|Import)V2|InitializeTableV2|CudnnRNN\w*"
)
_RESTORING = re.compile(r"RestoreV2")
_HARMFUL = re.compile(
    r"ReadFile|MatchingFiles|Reader\w*|InitializeTableFromTextFile|PyFuncStateless"
    r"|XlaCustomCall\w*|EncodeProto|DecodeProtoV2|Debug\w*|Copy|CopyHost|RegisterDataset\w*"
    r"|CacheDataset|Snapshot\w*Dataset\w*|DatasetFromGraph"
)


def check(meta_graph: meta_graph_pb2.MetaGraphDef, allowed: Collection[str]) -> None:
    """Refuses a graph that can run an unsafe operation.

    Args:
        meta_graph: of a SavedModel.
        allowed: names of operations that may run all the same.

    Raises:
        StatusError: FAILED_PRECONDITION, which names the operations.
    """
    served = [
        info.name
        for signature in meta_graph.signature_def.values()
        for info in signature.outputs.values()
    ]
    for key in _INITIALIZERS:
        served.extend(meta_graph.collection_def[key].node_list.value)
    found = set(_reached(meta_graph.graph_def, served, None)) - set(allowed)
    restoring = [meta_graph.saver_def.restore_op_name] if meta_graph.HasField("saver_def") else []
    found |= set(_reached(meta_graph.graph_def, restoring, _RESTORING)) - set(allowed)
    if found:
        names = ",".join(sorted(found))
        raise failed_precondition(
            f"A model may not run operations that reach files, the network or Python. Received:"
            f" {names}; start the server with --allow_unsafe_ops={names} if you trust this model"
        )


def _reached(graph, tensors: Iterable[str], also: re.Pattern | None) -> Iterable[str]:
    """Yields the unsafe operations that lead to `tensors`; `also` are harmless too."""
    nodes = {node.name: node for node in graph.node}
    functions = {function.signature.name: function for function in graph.library.function}
    waiting = [_node_of(tensor) for tensor in tensors]
    seen = set(waiting)
    seen_functions: set[str] = set()
    while waiting:
        node = nodes.get(waiting.pop())
        if node is None:
            continue
        for name in map(_node_of, node.input):
            if name not in seen:
                seen.add(name)
                waiting.append(name)
        called = [node]
        while called:
            inner = called.pop()
            if _is_unsafe(inner.op, functions, also):
                yield inner.op
            for name in {inner.op, *_functions_of(inner)} & functions.keys() - seen_functions:
                seen_functions.add(name)
                called.extend(functions[name].node_def)


def _is_unsafe(op: str, functions, also: re.Pattern | None) -> bool:
    if op in functions:
        return False
    if also is not None and also.fullmatch(op):
        return False
    definition = op_def_registry.get(op)
    if definition is not None and definition.is_stateful:
        return not _HARMLESS.fullmatch(op)
    return bool(_HARMFUL.fullmatch(op))


def _node_of(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _functions_of(node) -> Iterable[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name
