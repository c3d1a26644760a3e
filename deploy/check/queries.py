"""The expressions of the alerts, the dashboard and the scaling.

queries.py DEPLOY rules     prints them as recording rules, for `promtool check rules`
queries.py DEPLOY names     demands that what they select by name and label is in metrics.txt
queries.py DEPLOY tests     demands that each alert has a test that it fires, and one that it does not, and
                            says how urgent it is, what is wrong, and what to do
queries.py DEPLOY metrics   prints the families that they use
"""

import json
import pathlib
import re
import sys

import yaml

DEPLOY = pathlib.Path(sys.argv[1])
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
# What Prometheus adds, and what the relay adds to an enclave's.
ADDED_LABELS = {"job", "instance", "namespace", "pod", "le", "upstream"}
FAMILY = r"attested_random_\w+"
RELAY_PREFIX = "attested_random_proxy_"
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs/operating.md"
# Of Grafana's, those that are used. What it does not know it shows as a number, or not at all.
PANELS = {"row", "state-timeline", "timeseries"}
UNITS = {"Bps", "cps", "none", "percentunit", "reqps", "s"}


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    """Alerts as (name, expression)."""
    return [(rule["alert"], rule["expr"]) for rule in rules()]


def panels():
    """Panels' expressions as (where, expression), their variables replaced."""
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"]
             for target in panel.get("targets", [])]
    found += [(entry["name"], entry["expr"]) for entry in dashboard["annotations"]["list"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric = re.fullmatch(r"label_values\((\w+), \w+\)", variable["query"]["query"])
            assert metric, f"dashboard: variable {variable['name']}: not label_values(METRIC, LABEL)"
            found.append((variable["name"], metric[1]))
    plain = [(where, expr.replace("$__rate_interval", "5m").replace("$instance", ".*"))
             for where, expr in found]
    for where, expr in plain:
        assert "$" not in expr, f"dashboard: {where}: a variable that nobody sets: {expr}"
    return [(f"dashboard: {where}", expr) for where, expr in plain]


def scaling():
    """prometheus-adapter's queries as (where, expression), its placeholders replaced."""
    rules = yaml.safe_load((DEPLOY / "kubernetes/prometheus-adapter.yaml").read_text())["rules"]
    for rule in rules["custom"]:
        where = f"prometheus-adapter.yaml: {rule['name']['as']}"
        series = re.match(r"\w+", rule["seriesQuery"])[0]
        yield where, rule["seriesQuery"]
        yield where, (rule["metricsQuery"].replace("<<.Series>>", series)
                      .replace("<<.LabelMatchers>>", 'namespace="n",pod=~"a|b"')
                      .replace("<<.GroupBy>>", "pod"))


def expressions():
    return [(f"alert {name}", expr) for name, expr in alerts()] + panels() + list(scaling())


def series_in_metrics_txt():
    """Series as {name: {label: values, or None for any}}."""
    series = {}
    for line in (DEPLOY / "check/metrics.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        family, kind, *labels = line.split()
        split = [label.partition("=") for label in labels]
        values = {label: set(listed.split("|")) if listed else None for label, _, listed in split}
        series |= {family + suffix: values for suffix in SUFFIXES[kind]}
    return series


def unlisted_series(where, expr, series):
    """What of an expression no scrape would show."""
    for name, selector in re.findall(rf"\b({FAMILY})(?:\{{([^}}]*)\}})?", expr):
        if name not in series:
            yield f"{where}: no metric is named {name}"
            continue
        for label, operator, text in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', selector):
            values = series[name].get(label)
            if label not in series[name] and label not in ADDED_LABELS:
                yield f"{where}: {name} has no label {label}"
            elif values and (wrong := set(text.split("|")) - values):
                yield f"{where}: {label} of {name} is never {' or '.join(sorted(wrong))}"
    used = {label for name in re.findall(FAMILY, expr) for label in series.get(name, ())}
    for labels in re.findall(r"\bby \(([^)]*)\)", expr):
        for label in re.split(r",\s*", labels):
            if label not in used | ADDED_LABELS:
                yield f"{where}: nothing in it has the label {label}"


def dashboard_errors(series):
    """Legends of the dashboard that name a label which their expression has not, and ids that are there twice."""
    listed = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    ids = [panel["id"] for panel in listed]
    if len(set(ids)) < len(ids):
        yield "dashboard: an id is there twice"
    cells = set()
    for panel in listed:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & covered or at["x"] + at["w"] > 24:
            yield f"dashboard: {panel['title']}: lies over another panel, or beyond the edge"
        cells |= covered
        if panel["type"] not in PANELS:
            yield f"dashboard: {panel['title']}: Grafana has no panel {panel['type']}"
        if panel["type"] != "row" and panel["datasource"]["uid"] != "${datasource}":
            yield f"dashboard: {panel['title']}: asks another Prometheus than the one that is chosen"
        if panel["type"] != "row" and panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"dashboard: {panel['title']}: no unit, or one that Grafana has not"
    for panel in listed:
        for target in panel.get("targets", []):
            kept = {label for labels in re.findall(r"\bby \(([^)]*)\)", target["expr"])
                    for label in re.split(r",\s*", labels)}
            if "sum" not in target["expr"]:
                kept |= ADDED_LABELS | set(series.get(re.search(FAMILY, target["expr"])[0], ()))
            for label in set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - kept:
                yield f"dashboard: {panel['title']}: a legend has {{{{{label}}}}}, its expression has not"


def alert_errors(series):
    """Alerts that do not say how urgent they are, what is wrong, or what to do, or by a label that they lack."""
    pages = []
    for rule in rules():
        severity, notes = rule["labels"].get("severity"), rule["annotations"]
        if severity not in ("page", "ticket"):
            yield f"alert {rule['alert']}: severity {severity} is neither page nor ticket"
        if severity == "page":
            pages.append(rule["alert"])
        if not notes.get("summary") or not notes.get("runbook"):
            yield f"alert {rule['alert']}: no summary or no runbook"
        expr, kept = rule["expr"], set()
        by = re.findall(r"\bby \(([^)]*)\)", expr)
        for labels in by:
            kept |= set(re.split(r",\s*", labels))
        # A selector by itself, on either side of an `or`, keeps what the series has.
        for side in re.split(r"\bor\b", expr):
            if not re.search(r"\b(sum|count|histogram_quantile|absent)\b", side):
                family = re.search(FAMILY, side)[0]
                kept |= set(series.get(family, ())) | ADDED_LABELS - ({"upstream"} if family.startswith(RELAY_PREFIX) else set())
        for label in set(re.findall(r"\$labels\.(\w+)", " ".join(notes.values()))) - kept:
            yield f"alert {rule['alert']}: says $labels.{label}, which its expression has not"
    documented = re.findall(r"^\| (AttestedRandom[\w, ]*) \|", OPERATING.read_text(), re.MULTILINE)
    documented = {name for names in documented for name in names.split(", ")}
    for name in sorted(documented ^ set(pages)):
        yield f"alert {name}: docs/operating.md lists the alerts that wake somebody, and it is on one side alone"


def untested_alerts():
    """Alerts that lack one of their tests."""
    tests = yaml.safe_load((DEPLOY / "prometheus/alerts_test.yaml").read_text())["tests"]
    cases = [(case["expr"], bool(case["exp_samples"]), test["name"]) for test in tests
             for case in test["promql_expr_test"]]
    for name, _ in alerts():
        for fires, verb in ((True, "fires"), (False, "stays quiet")):
            if not any(f'alertname="{name}"' in expr and seen == fires and verb in test
                       for expr, seen, test in cases):
                yield f"alert {name}: alerts_test.yaml has no test in which it {verb}"


def main():
    mode = sys.argv[2]
    if mode == "rules":
        rules = [{"record": f"checked:{number}", "expr": expr, "labels": {"where": where}}
                 for number, (where, expr) in enumerate(expressions())]
        print(yaml.safe_dump({"groups": [{"name": "checked", "rules": rules}]}, width=10000))
        return
    if mode == "metrics":
        names = {name for _, expr in expressions() for name in re.findall(FAMILY, expr)}
        print("\n".join(sorted(re.sub(r"_(total|bucket|count|sum)$", "", name) for name in names)))
        return
    if mode == "tests":
        errors = [*untested_alerts(), *alert_errors(series_in_metrics_txt())]
    else:
        series = series_in_metrics_txt()
        errors = [line for where, expr in expressions() for line in unlisted_series(where, expr, series)]
        errors += dashboard_errors(series)
    if errors:
        sys.exit("\n".join(errors))


main()
