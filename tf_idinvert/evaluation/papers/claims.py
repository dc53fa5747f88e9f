"""The claims of the two papers that numbers can decide: the published numbers, ours, and whether the claim holds.

Absolute numbers of different features, pictures and resolutions are not comparable, but the order of the methods is.

Sources: Zhu et al. 2020 (In-Domain GAN Inversion; here 'ID'); Leng et al. 2021 (Force-in-domain GAN inversion; 'FiD').
"""
from __future__ import annotations

import dataclasses

from tf_idinvert.evaluation.tables import Table, cell

SECOND = "frechet_second"   # FD of the judge's second network, given besides
OVERLAP = "the 95 % intervals overlap"
EVEN, NEAR = 2.0, 1.5       # limits of 'smooth' (largest over mean step) and of 'about as well' (ratio of errors)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim and its decision.

    Attributes:
        name: short name, as in files of reasons.
        source: paper and place.
        text: the claim.
        published: the paper's numbers.
        part: part of the evaluation that decides the claim.
        decide: function, numbers of the part -> (our numbers as text, holds, remark); KeyError or TypeError means not
            measured.
    """

    name: str
    source: str
    text: str
    published: str
    part: str
    decide: callable


# ------------------------------------------------------------------------------------------------- deciding

def value(number):
    """Return the value of [value, low, high] or of a number; TypeError if it was not measured."""
    if number is None:
        raise TypeError("not measured")
    return float(number[0] if isinstance(number, (list, tuple)) else number)


def less(smaller, larger, times=1.0):
    """Decide `smaller < times * larger`; the remark says whether the intervals overlap."""
    holds = value(smaller) < times * value(larger)
    remark = ""
    intervals = [each if isinstance(each, (list, tuple)) else [value(each)] * 3 for each in (smaller, larger)]
    if times == 1.0 and None not in intervals[0] and None not in intervals[1]:
        (_, low, high), (_, other_low, other_high) = intervals
        apart = high < other_low if holds else low > other_high
        remark = "" if apart or low == high else OVERLAP
    return f"{cell(value(smaller))} against {cell(value(larger))}", holds, remark


def compared(smaller, larger, *path, times=1.0):
    """Return a `decide` function: the number at `path` of one method is smaller than that of another."""
    def decide(numbers):
        first, second = numbers[smaller], numbers[larger]
        for step in path:
            by_second = [each.get(SECOND) if step == "frechet" else None for each in (first, second)]
            first, second = first[step], second[step]
        text, holds, remark = less(first, second, times)
        return text + ("" if None in by_second else f" (by the second network {less(*by_second)[0]})"), holds, remark
    return decide


def all_of(decisions):
    """Combine decisions: the result holds if all do."""
    decisions = list(decisions)
    if not decisions:
        raise TypeError("not measured")
    remark = OVERLAP if any(each[2] for each in decisions) else ""
    return "; ".join(each[0] for each in decisions), all(each[1] for each in decisions), remark


# ------------------------------------------------------------------------------------------------- In-Domain

def _precision(attribute):
    def decide(numbers):
        return less(numbers["mse"][attribute], numbers["inversion"][attribute])
    return decide


def _speed(numbers):
    ratio = value(numbers["mse"]["seconds"]) / value(numbers["inversion"]["seconds"])
    return f"{cell(ratio)} times as fast", ratio > 1, ""


def _least(part):
    def decide(numbers):
        best = numbers["inversion"][part]
        decisions = [less(best, numbers[name][part]) for name in ("traditional", "mse", "encoder")]
        ours = f"{cell(value(best))} against " + ", ".join(
            f"{cell(value(numbers[name][part]))} ({name})" for name in ("traditional", "mse", "encoder"))
        if part == "frechet" and SECOND in numbers["inversion"]:
            ours += f"; by the second network {_least(SECOND)(numbers)[0]}"
        return ours, *all_of(decisions)[1:]
    return decide


def _weights(part, rising):
    def decide(numbers):
        found = [numbers[weight][part] if part == "mse" else numbers[weight]["quality"][part]
                 for weight in ("0", "2", "40")]
        pairs = list(zip(found, found[1:])) if rising else [(b, a) for a, b in zip(found, found[1:])]
        decisions = [less(a, b) for a, b in pairs]
        return ", ".join(cell(value(each)) for each in found), *all_of(decisions)[1:]
    return decide


def _outside(part, smaller, larger):
    def decide(numbers):
        scenes = [name for name in numbers[smaller] if name != "in the domain"]
        return all_of((f"{name}: {text}", holds, remark) for name in scenes for text, holds, remark in
                      [less(numbers[smaller][name][part], numbers[larger][name][part])])
    return decide


def _kept(method):
    def decide(numbers):
        inside = less(numbers[method]["inside"], numbers[method]["contexts"])
        return f"error in the square {inside[0]} of the context", inside[1], inside[2]
    return decide


def _seamless(method):
    def decide(numbers):
        return f"seam {cell(value(numbers[method]['seam']))} of that of the pasted pictures", *less(
            numbers[method]["seam"], 1.0)[1:]
    return decide


def _detail(numbers):
    pairs = [(name, numbers["inversion"]["quality"][name]["quality"], numbers["mse"]["quality"][name]["quality"])
             for name in numbers["inversion"]["quality"]]
    return all_of((f"{name} {text}", holds, remark) for name, ours, theirs in pairs
                  for text, holds, remark in [less(theirs, ours)])


IN_DOMAIN = (
    *(Claim(f"encoder-{part}", "ID, Table 1", f"The domain-guided encoder reconstructs better than the traditional "
            f"one: {label}", published, "table1", compared("encoder", "traditional", part))
      for part, label, published in (("frechet", "FID (ours: see the table)", "52.85 against 88.48"),
                                     ("swd", "SWD", "13.02 against 100.5"), ("mse", "MSE", "0.062 against 0.507"))),
    Claim("encoder-speed", "ID, Table 1", "The domain-guided encoder is about as fast as the traditional one",
          "0.017 s against 0.008 s", "table1", compared("encoder", "traditional", "seconds", times=3.0)),
    Claim("best-fid", "ID, Table 1", "In-domain inversion has the lowest FID of the four methods",
          "42.64 against 88.48, 58.04, 52.85", "table1", _least("frechet")),
    Claim("best-swd", "ID, Table 1 (text)", "In-domain inversion surpasses all others in SWD",
          "13.44 against 100.5, 29.19, 13.02: not in their own table", "table1", _least("swd")),
    Claim("best-mse", "ID, Table 1 (text)", "In-domain inversion surpasses all others in MSE",
          "0.030 against 0.507, 0.026, 0.062: not in their own table", "table1", _least("mse")),
    Claim("near-mse", "ID, section 3.3", "In-domain inversion reconstructs about as well as MSE-based optimisation "
          f"(at most {NEAR:g} times its MSE)", "0.030 against 0.026", "table1", compared("inversion", "mse", "mse",
                                                                                     times=NEAR)),
    Claim("refined", "ID, Table 1", "The optimisation reconstructs better than the encoder it starts from (MSE)",
          "0.030 against 0.062", "table1", compared("inversion", "encoder", "mse")),
    Claim("speed", "ID, Table 1", "In-domain inversion is much faster than MSE-based optimisation",
          "35 times: 8 s against 290 s", "table1", _speed),
    Claim("tower-1", "ID, Table 1, tower", "The same holds for towers (LSUN)", "FID 44.77 against 73.02, 69.16, 46.81",
          "towers", None),
    *(Claim(f"semantics-{name}", "ID, Fig. 3", f"In-domain codes tell {name} better than MSE-based ones (average "
            "precision)", "a curve, no number", "figure3", _precision(name))
      for name in ("age", "gender", "eyeglasses", "pose")),
    *(Claim(f"{what}-{part}", "ID, Table 2", f"{label} of in-domain codes is better than that of MSE-based ones in "
            f"{measure}", published, "table2", compared("inversion", "mse", what, part))
      for what, label, part, measure, published in (
          ("interpolation", "Interpolation", "frechet", "FID (ours: see the table)", "91.18 against 112.09"),
          ("interpolation", "Interpolation", "swd", "SWD", "33.91 against 38.20"),
          ("manipulation", "Manipulation", "frechet", "FID (ours: see the table)", "76.43 against 83.69"),
          ("manipulation", "Manipulation", "swd", "SWD", "17.99 against 28.48"))),
    Claim("tower-2", "ID, Table 2, tower", "The same holds for towers (LSUN)", "interpolation FID 57.22 against 121.38",
          "towers", None),
    Claim("smoothness", "ID, Fig. 5", "In-domain codes interpolate more smoothly than MSE-based ones (unevenness)",
          "pictures", "table2", compared("inversion", "mse", "evenness")),
    Claim("detail", "ID, Fig. 6 and 7", "Manipulation of in-domain codes does what is wanted and keeps the rest, more "
          "than of MSE-based ones (quality)", "pictures", "table2", _detail),
    Claim("diffusion-kept", "ID, Fig. 8", "Semantic diffusion keeps what the target shows", "pictures", "diffusion",
          _kept("inversion")),
    Claim("diffusion-seam", "ID, Fig. 8", "Semantic diffusion is seamless (a seam weaker than the pasted one's)",
          "pictures", "diffusion", _seamless("inversion")),
    Claim("weight-mse", "ID, Fig. 9", "The larger λ_dom (0, 2, 40), the worse the reconstruction (MSE)", "pictures",
          "figure9", _weights("mse", True)),
    Claim("weight-edits", "ID, Fig. 9", "The larger λ_dom (0, 2, 40), the better the manipulation (quality)",
          "pictures", "figure9", _weights("quality", True)),
    Claim("outside-fit", "ID, Fig. 10", "MSE-based optimisation fits a cat or a bedroom better than in-domain "
          "inversion", "pictures", "figure10", _outside("mse", "mse", "inversion")),
    Claim("outside-domain", "ID, Fig. 10", "In-domain inversion stays nearer to W for a cat or a bedroom (deviations)",
          "pictures", "figure10", _outside("deviations", "inversion", "mse")),
)


# ------------------------------------------------------------------------------------------------- Force-in-domain

def _apart(other, part, goal=0.5):
    """Return a `decide` function: force-in-domain's share is nearer to `goal` than the other method's."""
    def decide(numbers):
        found = [numbers[name][part] for name in ("force", other)]
        distances = [abs(value(each) - goal) for each in found]
        overlap = OVERLAP if None not in found[0] + found[1] and found[0][1] <= found[1][2] \
            and found[1][1] <= found[0][2] else ""
        return f"{cell(value(found[0]))} against {cell(value(found[1]))}", distances[0] < distances[1], overlap
    return decide


def _few_outliers(numbers):
    return f"{cell(value(numbers['force']['pca_outliers']))} of the codes", value(
        numbers["force"]["pca_outliers"]) < 0.01, ""


def _covers(numbers):
    return less(numbers["nobn"]["coverage"], numbers["force"]["coverage"])


def _no_strange(numbers):
    text = f"{cell(value(numbers['strange']['force']))} against {cell(value(numbers['strange']['nobn']))}"
    return text, value(numbers["strange"]["force"]) == 0 < value(numbers["strange"]["nobn"]), ""


def _smooth(numbers):
    text = f"unevenness {cell(value(numbers['force']['evenness']))}, at most {EVEN:g} wanted"
    return text, value(numbers["force"]["evenness"]) <= EVEN, ""


def _satisfying(numbers):
    return all_of((f"{name}: wanted {cell(value(each['wanted']))}, else {cell(value(each['unwanted']))}",
                   value(each["quality"]) > 0, "") for name, each in numbers["force"]["quality"].items())


FORCE_IN_DOMAIN = (
    Claim("force-fid", "FiD, Table 1", "Force-in-domain reconstructs better than in-domain without BN: FID (ours: see "
          "the table)", "15.06 against 17.55", "table1-force", compared("force", "nobn", "frechet")),
    Claim("force-mse", "FiD, Table 1", "Force-in-domain reconstructs better than in-domain without BN: MSE",
          "0.067 against 0.49", "table1-force", compared("force", "nobn", "mse")),
    Claim("strange", "FiD, Fig. 3", "In-domain without BN draws some strange pictures, force-in-domain none",
          "pictures", "table1-force", _no_strange),
    Claim("pca", "FiD, Fig. 5", "Codes of in-domain without BN have many outliers (PCA), those of force-in-domain "
          "fewer", "pictures", "figures5-7", compared("force", "nobn", "pca_outliers")),
    Claim("concentrated", "FiD, Fig. 5", "Codes of force-in-domain have hardly any outliers (PCA; under 1 %)",
          "pictures", "figures5-7", _few_outliers),
    Claim("covers", "FiD, Fig. 5", "Codes of force-in-domain cover the originals, better than in-domain without BN",
          "pictures", "figures5-7", _covers),
    Claim("tsne", "FiD, Fig. 6", "Codes of force-in-domain overlap with the originals (t-SNE) more than those of "
          "in-domain without BN", "pictures", "figures5-7", _apart("nobn", "tsne_figure6")),
    Claim("w-nobn", "FiD, abstract", "Force-in-domain codes are nearer to W than in-domain's without BN (Fréchet "
          "distance in W)", "pictures", "figures5-7", compared("force", "nobn", "frechet")),
    Claim("w-bn", "FiD, Fig. 7", "Force-in-domain codes are nearer to W than in-domain's with BN (Fréchet distance "
          "in W)", "pictures", "figures5-7", compared("force", "encoder", "frechet")),
    Claim("two-sample", "FiD, Fig. 7", "In-domain codes with BN can be told from W more easily than force-in-domain's "
          "(nearest neighbours)", "pictures", "figures5-7", _apart("encoder", "neighbours")),
    Claim("force-smooth", "FiD, Fig. 8", "Force-in-domain codes interpolate smoothly", "pictures", "table2", _smooth),
    Claim("force-kept", "FiD, Fig. 9", "Diffusion by the force-in-domain encoder keeps what the target shows",
          "pictures", "diffusion", _kept("force")),
    Claim("force-seam", "FiD, Fig. 9", "Diffusion by the force-in-domain encoder is seamless", "pictures", "diffusion",
          _seamless("force")),
    Claim("force-edits", "FiD, Fig. 10", "Every attribute can be manipulated with force-in-domain codes (more wanted "
          "than unwanted change)", "pictures", "table2", _satisfying),
)
CLAIMS = IN_DOMAIN + FORCE_IN_DOMAIN
NO_TOWERS = "needs a network of LSUN towers: --encoders with --images, for which no pictures are embedded"


# ------------------------------------------------------------------------------------------------- table

def decide(parts, absent, reasons):
    """Decide all claims.

    Args:
        parts: {name of the part: its numbers}, of the measured parts.
        absent: {name of the part: reason why it was not measured}.
        reasons: {name of the claim: text}; shown for claims that do not hold.
    Returns:
        list with a dict for every claim: 'name', 'source', 'claim', 'published', 'ours' (text or None), 'holds' (bool;
        None: not measured), 'reason'.
    """
    rows = []
    for claim in CLAIMS:
        ours, holds, reason = None, None, ""
        if claim.part in parts:
            try:
                ours, holds, reason = claim.decide(parts[claim.part])
            except (KeyError, TypeError):
                reason = f"not measured: something that {claim.part} needs is not there, see its table"
        else:
            reason = NO_TOWERS if claim.decide is None else f"not measured: {absent.get(claim.part, 'not asked for')}"
        if holds is False:
            reason = "; ".join(filter(None, (reason, reasons.get(claim.name, ""))))
        rows.append({"name": claim.name, "source": claim.source, "claim": claim.text, "published": claim.published,
                     "ours": ours, "holds": holds, "reason": reason})
    return rows


def table(rows, beside=None):
    """Return the decided claims as a Table.

    Args:
        rows: result of `decide`.
        beside: (name, {name of a claim: (numbers as text, holds)}) of another evaluation, for two more columns.
    """
    words = {True: "holds", False: "does not hold", None: "not measured"}
    count = {word: sum(words[row["holds"]] == word for row in rows) for word in words.values()}
    close = {word: sum(words[row["holds"]] == word and OVERLAP in row["reason"] for row in rows) for word in count}
    text = (f"{len(rows)} claims: {count['holds']} hold, {count['does not hold']} do not, {count['not measured']} were "
            f"not measured. In {close['holds']} of those that hold and {close['does not hold']} of those that do not, "
            f"{OVERLAP}: so few pictures do not decide them. What counts is who is better; the numbers are of other "
            "pictures, features and sizes than the papers'.")
    columns = ["claim", "source", "their number", "ours", "holds"]
    cells = [[row["claim"], row["source"], row["published"], row["ours"], words[row["holds"]]] for row in rows]
    if beside:
        name, others = beside
        columns += [f"{name}: ours", f"{name}: holds"]
        for row, line in zip(rows, cells):
            ours, holds = others.get(row["name"], (None, None))
            line += [ours, words[holds]]
    return Table("The papers' claims", text, [*columns, "reason"],
                 [[*line, row["reason"]] for row, line in zip(rows, cells)])
