"""The table of claims: every claim a row, decided as the numbers say."""
from __future__ import annotations

import json

import pytest

from tf_idinvert.evaluation.papers import claims
from tf_idinvert.portraits import embedded


def claim(name):
    return next(each for each in claims.CLAIMS if each.name == name)


def test_no_claim_is_left_out_where_nothing_was_measured():
    rows = claims.decide({}, {"table1": "stopped before"}, {})
    assert len(rows) == len(claims.CLAIMS) == len({row["name"] for row in rows})
    assert all(row["holds"] is None and row["ours"] is None and row["reason"] for row in rows)
    assert rows[0]["reason"] == "not measured: stopped before"
    table = claims.table(rows)
    assert len(table.rows) == len(rows) and "0 hold, 0 do not" in table.text


def test_both_papers_and_all_tables_and_figures_are_there():
    sources = " ".join(each.source for each in claims.CLAIMS)
    for place in ("ID, Table 1", "ID, Fig. 3", "ID, Table 2", "ID, Fig. 5", "ID, Fig. 6", "ID, Fig. 8", "ID, Fig. 9",
                  "ID, Fig. 10", "FiD, Table 1", "FiD, Fig. 3", "FiD, Fig. 5", "FiD, Fig. 6", "FiD, Fig. 7",
                  "FiD, Fig. 8", "FiD, Fig. 9", "FiD, Fig. 10"):
        assert place in sources


def method(mse, swd=1.0, frechet=None, seconds=1.0):
    return {"mse": mse, "swd": swd, "frechet": frechet, "seconds": seconds}


def test_published_numbers_decide_as_the_paper_does():
    """The paper's own Table 1: the text says that in-domain inversion is best in all; the table says in FID only."""
    numbers = {"traditional": method(0.507, 100.5, 88.48, 0.008), "mse": method(0.026, 29.19, 58.04, 290.0),
               "encoder": method(0.062, 13.02, 52.85, 0.017), "inversion": method(0.030, 13.44, 42.64, 8.0)}
    holds = {row["name"]: row["holds"] for row in claims.decide({"table1": numbers}, {}, {})}
    assert holds["best-fid"] and not holds["best-swd"] and not holds["best-mse"]
    for name in ("encoder-frechet", "encoder-swd", "encoder-mse", "encoder-speed", "near-mse", "refined", "speed"):
        assert holds[name], name
    assert claim("speed").decide(numbers)[0] == "36.2 times as fast"


@pytest.mark.parametrize("smaller, larger, holds, remark", [
    ([1, 0.9, 1.1], [2, 1.8, 2.2], True, ""), ([1, 0.5, 1.9], [2, 1.8, 2.2], True, claims.OVERLAP),
    ([3, 2.9, 3.1], [2, 1.8, 2.2], False, ""), ([2.1, 1.9, 2.3], [2, 1.8, 2.2], False, claims.OVERLAP),
    (1.0, 2.0, True, ""), ([1, None, None], [2, 1.8, 2.2], True, ""), ([1, 0.5, 1.5], 2.0, True, "")])
def test_less_and_whether_the_pictures_decide(smaller, larger, holds, remark):
    assert claims.less(smaller, larger)[1:] == (holds, remark)


def test_what_does_not_hold_gets_its_reason():
    numbers = {"encoder": method(0.5), "traditional": method(0.1)}
    reasons = {"encoder-mse": "trained for an hour", "refined": "not used: not measured"}
    rows = {row["name"]: row for row in claims.decide({"table1": numbers}, {}, reasons)}
    assert rows["encoder-mse"]["holds"] is False and rows["encoder-mse"]["reason"] == "trained for an hour"
    assert rows["encoder-mse"]["ours"] == "0.5 against 0.1"
    assert rows["refined"]["holds"] is None and "not measured" in rows["refined"]["reason"]
    assert rows["encoder-frechet"]["holds"] is None     # no judge: None


def test_weights_hold_where_each_step_does():
    def numbers(*mse):
        return {weight: {"mse": [each, each, each], "quality": {"quality": -each}}
                for weight, each in zip(("0", "2", "40"), mse)}
    assert claim("weight-mse").decide(numbers(1, 2, 3))[:2] == ("1, 2, 3", True)
    assert claim("weight-mse").decide(numbers(1, 3, 2))[1] is False
    assert claim("weight-edits").decide(numbers(3, 2, 1))[1] is True


def test_force_in_domain_claims():
    codes = {"frechet": [1, 0.9, 1.1], "neighbours": [0.6, 0.5, 0.7], "pca_outliers": [0.0, 0.0, 0.01],
             "coverage": [0.9, 0.8, 1.0], "tsne_figure6": [0.55, 0.5, 0.6]}
    far = {"frechet": [9, 8, 10], "neighbours": [0.1, 0.05, 0.15], "pca_outliers": [0.3, 0.2, 0.4],
           "coverage": [0.2, 0.1, 0.3], "tsne_figure6": [1.0, 0.9, 1.0]}
    rows = claims.decide({"figures5-7": {"force": codes, "nobn": far, "encoder": far}}, {}, {})
    decided = {row["name"]: row for row in rows if row["holds"] is not None}
    assert set(decided) == {"pca", "concentrated", "covers", "tsne", "w-nobn", "w-bn", "two-sample"}
    assert all(row["holds"] and not row["reason"] for row in decided.values())


def test_outside_the_domain_leaves_the_portrait_out():
    numbers = {"mse": {"in the domain": {"mse": 9}, "drawn cat": {"mse": 1}},
               "inversion": {"in the domain": {"mse": 1}, "drawn cat": {"mse": 2}}}
    assert claim("outside-fit").decide(numbers)[:2] == ("drawn cat: 1 against 2", True)


def test_reasons_of_the_embedded_networks_are_for_claims_that_there_are():
    reasons = json.loads((embedded.CHECKPOINTS / embedded.REASONS).read_text(encoding="utf-8"))
    assert reasons and set(reasons) <= {each.name for each in claims.CLAIMS}
    assert all(isinstance(each, str) and len(each) > 20 for each in reasons.values())


def test_overlapping_intervals_are_counted():
    close = {"table1": {"encoder": {"mse": [1.0, 0.5, 1.5]}, "traditional": {"mse": [1.2, 0.7, 1.7]}}}
    table = claims.table(claims.decide(close, {}, {}))
    assert "1 hold, 0 do not" in table.text and "In 1 of those that hold and 0 of those that do not" in table.text


def test_the_judge_decides_and_the_second_network_is_told():
    numbers = {name: {**method(1, 1, judged), claims.SECOND: second} for name, judged, second in (
        ("encoder", 2.0, 9.0), ("traditional", 3.0, 8.0), ("mse", 4.0, 7.0), ("inversion", 1.0, 6.0))}
    ours, holds, _ = claim("encoder-frechet").decide(numbers)
    assert holds and ours == "2 against 3 (by the second network 9 against 8)"
    ours, holds, _ = claim("best-fid").decide(numbers)
    assert holds and ours.endswith("by the second network 6 against 8 (traditional), 7 (mse), 9 (encoder)")
    assert "second" not in claim("encoder-swd").decide(numbers)[0]


def test_claims_of_another_evaluation_stand_beside():
    rows = claims.decide({"table1": {"encoder": method(0.1), "traditional": method(0.5)}}, {}, {})
    table = claims.table(rows, ("elsewhere", {"encoder-mse": ("0.3 against 0.2", False)}))
    line = dict(zip(table.columns, table.rows[[row["name"] for row in rows].index("encoder-mse")]))
    assert line["holds"] == "holds" and line["elsewhere: holds"] == "does not hold"
    assert line["elsewhere: ours"] == "0.3 against 0.2"
    other = dict(zip(table.columns, table.rows[-1]))
    assert other["elsewhere: holds"] == "not measured" and other["elsewhere: ours"] is None
