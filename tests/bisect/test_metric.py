"""The number that is read is the last one that was printed under the name that was asked for, or there is none."""

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsh.bisect.metric import Metric, check, read
from mlsh.bisect.probing import OUTPUT_KEPT
from mlsh.errors import UsageError

LOSS = Metric("val_loss")


def value(text: str | bytes, metric: Metric = LOSS) -> float | None:
    return read(metric, text if isinstance(text, bytes) else text.encode()).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("val_loss=0.35", 0.35),
        ("val_loss: 0.35\n", 0.35),
        ("val_loss = -1.5e-3 (best)", -1.5e-3),
        ("val_loss=1\nval_loss=2\nother 3\n", 2),
        ("val_loss=1 val_loss=2, lr=3", 2),
        ("epoch 1 - loss: 9 - val_loss: 0.4 - val_acc: 0.9", 0.4),
        ("{'loss': 9.0, 'val_loss': 0.4}", 0.4),
        ("val_loss=tensor(0.35, device='cuda:0', grad_fn=<X>)", 0.35),
        ("val_loss: np.float64(0.35)", 0.35),
        ("val_loss=0.35s", 0.35),
        ("val_loss=12 ms", 12),
        ("val_loss=95.5%", 95.5),
        ("val_loss=.5", 0.5),
        ("val_loss: 3.", 3),
        ("val_loss=1,234.5", 1234.5),
        ("\x1b[1mval_loss\x1b[0m=\x1b[31m0.35\x1b[0m", 0.35),
        ("\x1b]0;val_loss=9\x07val_loss=0.35", 0.35),
        ("val_loss=9\r 50%|## | val_loss=0.5\r100%|####| val_loss=0.35\n", 0.35),
        ("val_loss=1\r\nval_loss=2\r\n", 2),
        ("val_loss=INF", math.inf),
        ("val_loss=-Infinity", -math.inf),
        ("val_loss=1e999", math.inf),
        ('{"val_loss": 0.4, "step": 3}', 0.4),
        ('val_loss=9\n{"val_loss": 0.4, "ema": {"val_loss": 8}}\n', 0.4),
        ('{"val_loss": 0.4}\nval_loss=9', 9),
        ('{"val_loss": "0.4"}', 0.4),
        ('{"val_loss": 0.4, "x": NaN}', 0.4),
        ('{"eval": {"val_loss": 0.4}}', 0.4),
        ("val_loss=0.35\n\xff\xfe\x00".encode("latin-1"), 0.35),
        ("loss=1\nVal_Loss=2 val_loss=3 Val_Loss=4", 3),
    ],
)
def test_the_last_value_under_the_name_counts(text: str | bytes, expected: float) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("text", ["val_loss=nan", "val_loss: NaN", '{"val_loss": NaN}', '{"val_loss": "nan"}'])
def test_nan_is_a_value(text: str) -> None:
    found = value(text)
    assert found is not None
    assert math.isnan(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loss=1",
        "best_val_loss=1",
        "train/val_loss=1",
        "val_loss_ema=1",
        "val_loss=none",
        "val_loss: info",
        "val_loss=nano",
        "val_loss=1.2.3",
        "val_loss=0,35",
        "val_loss=12:30",
        "val_loss=0x1f",
        "val_loss=\n5",
        '{"val_loss": null}',
        '{"val_loss": true}',
        "val_loss=" + "9" * 500,
    ],
)
def test_what_is_no_number_is_none_rather_than_a_wrong_one(text: str) -> None:
    reading = read(LOSS, text.encode())
    assert reading.value is None
    assert "val_loss" in reading.reason
    assert "its output" in reading.reason


def test_a_missing_value_names_what_is_there_instead() -> None:
    assert "val/loss" in read(LOSS, b"val/loss=1 accuracy=2").reason
    assert "eval.val_loss" in read(LOSS, b"eval.val_loss: 3\nx=1").reason
    assert "valloss" in read(LOSS, b'{"valloss": 0.3}').reason
    assert "accuracy" in read(LOSS, b"accuracy=2\n").reason
    assert "empty" in read(LOSS, b"\n").reason


def test_names_with_slashes_dots_and_dashes_are_found() -> None:
    assert value("eval/loss=0.3 loss=9", Metric("eval/loss")) == 0.3
    assert value("eval-loss=0.3 loss=9", Metric("eval-loss")) == 0.3
    assert value('{"a": {"b": 0.3}, "b": 9}', Metric("a.b")) == 0.3
    assert value('{"a.b": 0.3}', Metric("a.b")) == 0.3
    assert value('{"a.b": {"c": 0.3}}', Metric("a.b.c")) == 0.3
    assert value("a.b=0.3", Metric("a.b")) == 0.3
    assert value("axb=0.3", Metric("a.b")) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"val_loss": 0.3}', 0.3),
        ('{\n "eval": {"val_loss": 2},\n "val_loss": 0.3\n}', 0.3),
        ('[{"val_loss": 1}, {"val_loss": 0.3}]', 0.3),
        ('{"val_loss": 1}\n{"val_loss": 0.3}\n', 0.3),
        ("val_loss: 0.3\n", 0.3),
        ("0.3\n", 0.3),
        ('{"loss": 0.3}', None),
        ("", None),
    ],
)
def test_a_file_is_read_as_json_as_lines_or_as_a_bare_number(content: str, expected: float | None) -> None:
    reading = read(Metric("val_loss", file="out/metrics.json"), b"val_loss=9", content.encode())
    assert reading.value == expected
    assert bool(reading.reason) == (expected is None)
    assert expected is not None or "out/metrics.json" in reading.reason


def test_an_expression_takes_its_first_group_or_the_one_named_value() -> None:
    assert value("took 3.5 s\ntook 4.5 s", Metric("", regex=r"took ([\d.]+) s")) == 4.5
    assert value("a 1 b 2", Metric("", regex=r"a (\d) b (?P<value>\d)")) == 2
    assert value("x 7 y", Metric("", regex=r"\d")) == 7
    assert value("took none", Metric("", regex="took (.*)")) is None
    assert "'none'" in read(Metric("", regex="took (.*)"), b"took none").reason


def test_expressions_and_names_that_can_not_be_looked_for_are_refused() -> None:
    with pytest.raises(UsageError, match="at character 1"):
        check(Metric("", regex="(x"))
    for name in ("", "a b", "a=b", "x\x1b[0m"):
        with pytest.raises(UsageError) as caught:
            check(Metric(name))
        assert "\x1b" not in caught.value.what
    assert check(LOSS) is LOSS


def test_the_rest_of_a_line_that_was_cut_off_is_not_taken_for_another_name() -> None:
    output = (b"loss=3\n" + b"x" * OUTPUT_KEPT)[:OUTPUT_KEPT]
    assert value(output, Metric("loss")) is None


HOSTILE = {
    "many names": b"val_loss=" * 120_000,
    "many lines": b"val_loss=\n" * 100_000,
    "blanks": b"val_loss" + b" " * 1_000_000,
    "blanks after each": (b"val_loss" + b" " * 60) * 15_000,
    "digits": b"val_loss=" + b"1" * 1_000_000,
    "digits and dots": b"val_loss=" + b"1." * 500_000,
    "braces": b'{"val_loss":' * 80_000,
    "brackets": (b'{"val_loss":' + b"[" * 5000 + b"\n") * 200,
    "json numbers": b'{"val_loss": ' + b"9" * 1_000_000 + b"}",
    "broken json lines": b'{"val_loss": x}\n' * 60_000,
    "names": b"a" * 1_000_000,
    "names without values": b"ab=" * 300_000,
    "escapes": b"\x1b[" * 500_000,
    "titles": b"\x1b]0;" * 250_000,
    "colours": b"\x1b[0m" * 250_000,
    "carriage returns": b"\r" * 1_000_000,
    "not utf-8": b"\xff" * 1_000_000,
    "commas": b"val_loss=" + b"111," * 250_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mebibyte_of_anything_is_read_in_a_moment(kind: str) -> None:
    for metric in (LOSS, Metric("val_loss", file="f"), Metric("", regex=r"val_loss=(\d+)\b")):
        started = time.process_time()
        read(metric, HOSTILE[kind], HOSTILE[kind])
        assert time.process_time() - started < 3


@given(st.binary(max_size=300))
def test_any_bytes_give_a_number_or_a_reason(output: bytes) -> None:
    for metric in (Metric("a"), Metric("a", file="f"), Metric("", regex="a(.)")):
        reading = read(metric, output, output)
        assert (reading.value is None) == bool(reading.reason)
        assert reading.reason.isprintable()


@given(st.floats(), st.text(max_size=20))
def test_what_python_prints_is_read_back(number: float, before: str) -> None:
    for printed in (f"val_loss={number!r}", str({"val_loss": number}), json.dumps({"val_loss": number})):
        found = value(f"{before}\n{printed}\n")
        assert found is not None
        assert found == number or (math.isnan(found) and math.isnan(number))
