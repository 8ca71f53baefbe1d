"""``make bench``: a page says what was measured."""

from bench.contenders import HERALD, NEST, SETTLED, STOCK
from bench.report import Report
from bench.workloads import Plan


def test_the_page() -> None:
    """It compares, judges, and says what is of one run alone."""
    report = Report(
        {
            HERALD.name: {
                "fanout.silent.1000": 3000.0,
                "stalled_gone_s": float("inf"),
                "idle_mb.10000": 200.0,
            },
            STOCK.name: {"fanout.silent.1000": 400.0},
            SETTLED.name: {"fanout.silent.1000": 600.0},
            NEST.name: {"fanout.silent.1000": 2500.0},
        },
        Plan(),
        runs=5,
        problems=["NestJS: it is slow", "NestJS: it is slow"],
        of_one_run={"idle_mb.10000"},
        judged=True,
    )
    page = report.markdown()
    assert "| fan-out to 1,000, silent, deliveries/s | 3,000 | 400 | 2,500 | 7.50 | 1.20 |" in page
    assert "| memory with 10,000 idle sockets, MB (one run) | 200 | – | – | – | – |" in page
    assert "makes 600 deliveries/s to 1,000: Herald makes 5.00 × that." in page
    assert "| fan-out to 1,000, silent, over Flask-SocketIO | 7.50× | ≥ 6× | held |" in page
    assert "| fan-out to 1,000, silent, over NestJS | 1.20× | ≥ 1.5× | **missed** |" in page
    assert "| … it is gone after | never | ≤ 8 s | **missed** |" in page
    assert "| 10,000 idle sockets (one run) | 200.00 MB | ≤ 300 MB | held |" in page
    assert page.count("it is slow") == 1
