import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ModelError, ShapeMismatch
from recsys.runtime.onnx import OnnxSession, provider_name, shared_session
from recsys.runtime.session import Session

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)


def graph(*nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> bytes:
    made = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


PRODUCT = graph(helper.make_node("MatMul", ["x", "w"], ["y"]))


def test_runs_a_graph_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(PRODUCT)
    x = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    for source in (PRODUCT, tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        session = OnnxSession(source, threads=1)
        assert isinstance(session, Session)
        assert np.allclose(session.run({"x": x})["y"], x @ WEIGHT)


def test_spec_is_that_of_the_graph() -> None:
    spec = OnnxSession(PRODUCT).spec
    assert spec.inputs[0].shape == ("batch", 3)
    assert (spec.inputs[0].dtype, spec.input_names, spec.output_names) == ("float32", ("x",), ("y",))


def test_outputs_by_name() -> None:
    two = graph(
        helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Neg", ["y"], ["z"]), outputs=("z", "y")
    )
    got = OnnxSession(two).run({"x": np.ones((1, 3), np.float32)})
    assert np.array_equal(got["z"], -got["y"])


def test_inputs_that_do_not_fit() -> None:
    session = OnnxSession(PRODUCT)
    with pytest.raises(ModelError, match="missing 'x'"):
        session.run({})
    with pytest.raises(ModelError, match="must be float32, got float64"):
        session.run({"x": np.ones((1, 3))})
    with pytest.raises(ShapeMismatch, match=r"\(batch, 3\), got \(1, 4\)"):
        session.run({"x": np.ones((1, 4), np.float32)})


def test_a_failure_inside_the_graph_is_a_model_error() -> None:
    broken = graph(helper.make_node("Reshape", ["x", "shape"], ["y"]), helper.make_node(
        "Constant", [], ["shape"], value=numpy_helper.from_array(np.array([7, 11]))))  # fmt: skip
    reordered = onnx.load_from_string(broken)
    nodes = list(reordered.graph.node)[::-1]
    del reordered.graph.node[:]
    reordered.graph.node.extend(nodes)
    with pytest.raises(ModelError, match="the model failed"):
        OnnxSession(reordered.SerializeToString()).run({"x": np.ones((1, 3), np.float32)})


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match="is missing"):
        OnnxSession(tmp_path / "none.onnx")
    with pytest.raises(ArtifactDamaged, match="no ONNX model"):
        OnnxSession(b"not a graph")
    (tmp_path / "cut.onnx").write_bytes(PRODUCT[: len(PRODUCT) // 2])
    with pytest.raises(ArtifactDamaged, match=r"cut\.onnx"):
        OnnxSession(tmp_path / "cut.onnx")


def test_unknown_provider_lists_the_available() -> None:
    with pytest.raises(ConfigError, match=r"no provider NoSuch here \(available: .*CPUExecutionProvider"):
        OnnxSession(PRODUCT, providers=("NoSuch",))


def test_many_threads_one_session() -> None:
    session = OnnxSession(PRODUCT, threads=1)
    batches = [np.full((n, 3), n, np.float32) for n in range(1, 40)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda x: session.run({"x": x})["y"], batches))
    assert all(np.allclose(y, x @ WEIGHT) for x, y in zip(batches, got, strict=True))


def test_only_the_outputs_asked_for() -> None:
    two = graph(
        helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Neg", ["y"], ["z"]), outputs=("y", "z")
    )
    session, x = OnnxSession(two), np.ones((2, 3), np.float32)
    assert list(session.run({"x": x}, ["y"])) == ["y"]
    assert list(session.run({"x": x}, ["z", "y"])) == ["z", "y"]
    with pytest.raises(ModelError, match=r"no output w \(it has y, z\)"):
        session.run({"x": x}, ["w"])


def test_warm_up_runs_on_sizes_that_fit() -> None:
    session = OnnxSession(PRODUCT)
    session.warm_up()
    session.warm_up({"batch": 7})
    two = graph(helper.make_node("Reshape", ["x", "shape"], ["y"]))
    model = onnx.load_from_string(two)
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "shape"))
    with pytest.raises(ModelError, match="the model failed"):
        OnnxSession(model.SerializeToString()).warm_up({"batch": 5})


def test_providers_by_short_and_long_name() -> None:
    for name in ("cpu", "CPU", "CPUExecutionProvider", "cpuexecutionprovider"):
        assert provider_name(name) == "CPUExecutionProvider"
    assert OnnxSession(PRODUCT, providers=("cpu",)).run({"x": np.ones((1, 3), np.float32)})


def test_a_closed_session_says_so() -> None:
    session = OnnxSession(PRODUCT)
    session.close()
    session.close()
    with pytest.raises(ModelError, match="the model bytes is closed"):
        session.run({"x": np.ones((1, 3), np.float32)})
    assert session.spec.input_names == ("x",)


def test_one_session_an_artifact(tmp_path: Path) -> None:
    path, x = tmp_path / "model.onnx", np.ones((1, 3), np.float32)
    path.write_bytes(PRODUCT)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: shared_session(path, "ab" * 32, ("cpu",), 1), range(8)))
    loaded = found[0]._session
    assert {id(s._session) for s in found} == {id(loaded)}
    assert shared_session(path, "AB" * 32, threads=1)._session is loaded
    assert shared_session(path, "ab" * 32, threads=2)._session is not loaded
    assert shared_session(path, "cd" * 32, threads=1)._session is not loaded
    # Who closes twice closes nobody else's; it lives until its last holder closes, then it is loaded anew.
    gone, last = weakref.ref(loaded), found.pop()
    del loaded
    for one in found:
        one.close()
        one.close()
        with pytest.raises(ModelError, match="closed"):
            one.run({"x": x})
        assert last.run({"x": x})
    assert shared_session(path, "ab" * 32, threads=1)._session is last._session
    last.close()
    assert gone() is None
    assert shared_session(path, "ab" * 32, threads=1).run({"x": x})


def test_a_shared_session_goes_with_its_last_holder(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(PRODUCT)
    seen = weakref.ref(shared_session(path, "ef" * 32))
    gc.collect()
    assert seen() is None


def with_weights_at(place: str) -> bytes:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[16], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", place), ("offset", "0"), ("length", "64")):
        weight.external_data.add(key=key, value=value)
    made = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["y"])], "g", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [16])], [weight],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def with_second_value(place: str, other: str) -> bytes:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[16], data_location=TensorProto.EXTERNAL)
    entry = b"\x0a\x08location" + b"".join(b"\x12" + bytes([len(v)]) + v.encode() for v in (place, other))
    weight.MergeFromString(b"\x6a" + bytes([len(entry)]) + entry)
    # What a library writes it writes once: the entry is put in by hand, into the bytes of a model without one.
    lone = with_weights_at(place)
    written = b"\x6a" + bytes([12 + len(place)]) + b"\x0a\x08location\x12" + bytes([len(place)]) + place.encode()
    assert written in lone
    assert weight.external_data[0].value == other
    return lone.replace(written, b"\x6a" + bytes([len(entry)]) + entry)


def test_weights_are_read_from_plain_files_beside_the_graph_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tmp_path / "secret", folder / "weights.data"):
        path.write_bytes(np.arange(16, dtype=np.float32).tobytes())
    graph = folder / "model.onnx"
    graph.write_bytes(with_weights_at("weights.data"))
    assert OnnxSession(graph).run({})["y"].tolist() == list(range(16))
    away = ["../secret", str(tmp_path / "secret"), "..", "x/../../secret", "..\\secret", "x" * 300]
    spoiled = [with_weights_at(place) for place in away]
    # The same entry, written as no library does and every library reads: value first, or a length with a zero.
    entry = b"\x0a\x08location\x12\x0cweights.data"
    turned = b"\x12\x0cweights.data\x0a\x08location"
    assert entry in graph.read_bytes()
    spoiled.append(graph.read_bytes().replace(entry, turned))
    # Of two values in one entry the last is the one that counts. Longer fields in front of it, so their lengths grow.
    spoiled.append(with_second_value("weights.data", str(tmp_path / "secret")))
    spoiled.append(graph.read_bytes().replace(b"\x08location", b"\x88\x00location"))
    for model in spoiled:
        graph.write_bytes(model)
        with pytest.raises(ArtifactDamaged, match="no plain file beside it"):
            OnnxSession(graph)
    with pytest.raises(ArtifactDamaged, match="no plain file beside it"):
        OnnxSession(with_weights_at("weights.data"))
    graph.write_bytes(b"")
    with pytest.raises(ArtifactDamaged):
        OnnxSession(graph)
