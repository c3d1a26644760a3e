"""Checks the expressions of the alerts, the dashboard and the autoscaler.

queries.py DEPLOY rules     prints them as recording rules, for `promtool check rules`
queries.py DEPLOY names     checks that the names and labels that they select are in metrics.txt
queries.py DEPLOY tests     checks that each alert has a test in which it fires and one in which it stays quiet, a
                            severity, a summary and a runbook
queries.py DEPLOY metrics   prints the metric families that they use
"""

import json
import pathlib
import re
import sys

import yaml

DEPLOY = pathlib.Path(sys.argv[1])
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}
# Labels that Prometheus adds, and the label that the relay adds to an enclave's metrics.
ADDED_LABELS = {"job", "instance", "namespace", "pod", "le", "upstream"}
FAMILY = r"attested_random_\w+"
RELAY_PREFIX = "attested_random_proxy_"
OPERATING = pathlib.Path(__file__).resolve().parents[2] / "docs/operating.md"
# The panel types and units of Grafana in use. Grafana ignores unknown ones.
PANELS = {"row", "state-timeline", "timeseries"}
UNITS = {"Bps", "cps", "none", "percentunit", "reqps", "s"}


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    """Returns the alerts as (name, expression)."""
    return [(rule["alert"], rule["expr"]) for rule in rules()]


def panels():
    """Returns the panels' expressions as (where, expression) with their variables replaced."""
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
        assert "$" not in expr, f"dashboard: {where}: an undefined variable: {expr}"
    return [(f"dashboard: {where}", expr) for where, expr in plain]


def scaling():
    """Yields the queries of prometheus-adapter as (where, expression) with their placeholders replaced."""
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
    """Returns the series as {name: {label: values, or None for any}}."""
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
    """Yields the names and labels of an expression that no scrape returns."""
    for name, selector in re.findall(rf"\b({FAMILY})(?:\{{([^}}]*)\}})?", expr):
        if name not in series:
            yield f"{where}: there is no metric {name}"
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
                yield f"{where}: no metric in it has the label {label}"


def dashboard_errors(series):
    """Yields errors of the dashboard: duplicate ids, overlapping panels, unknown types and units, unknown labels in legends."""
    listed = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    ids = [panel["id"] for panel in listed]
    if len(set(ids)) < len(ids):
        yield "dashboard: an id occurs twice"
    cells = set()
    for panel in listed:
        at = panel["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if cells & covered or at["x"] + at["w"] > 24:
            yield f"dashboard: {panel['title']}: overlaps another panel or the edge"
        cells |= covered
        if panel["type"] not in PANELS:
            yield f"dashboard: {panel['title']}: unknown panel type {panel['type']}"
        if panel["type"] != "row" and panel["datasource"]["uid"] != "${datasource}":
            yield f"dashboard: {panel['title']}: uses another datasource than the selected one"
        if panel["type"] != "row" and panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"dashboard: {panel['title']}: the unit is missing or unknown"
    for panel in listed:
        for target in panel.get("targets", []):
            kept = {label for labels in re.findall(r"\bby \(([^)]*)\)", target["expr"])
                    for label in re.split(r",\s*", labels)}
            if "sum" not in target["expr"]:
                kept |= ADDED_LABELS | set(series.get(re.search(FAMILY, target["expr"])[0], ()))
            for label in set(re.findall(r"{{(\w+)}}", target["legendFormat"])) - kept:
                yield f"dashboard: {panel['title']}: a legend uses {{{{{label}}}}}, which its expression lacks"


def alert_errors(series):
    """Yields alerts without a severity, a summary or a runbook, or with a label that their expression lacks."""
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
        # A selector without an aggregation, on either side of an `or`, keeps the labels of its series.
        for side in re.split(r"\bor\b", expr):
            if not re.search(r"\b(sum|count|histogram_quantile|absent)\b", side):
                family = re.search(FAMILY, side)[0]
                kept |= set(series.get(family, ())) | ADDED_LABELS - ({"upstream"} if family.startswith(RELAY_PREFIX) else set())
        for label in set(re.findall(r"\$labels\.(\w+)", " ".join(notes.values()))) - kept:
            yield f"alert {rule['alert']}: uses $labels.{label}, which its expression lacks"
    documented = re.findall(r"^\| (AttestedRandom[\w, ]*) \|", OPERATING.read_text(), re.MULTILINE)
    documented = {name for names in documented for name in names.split(", ")}
    for name in sorted(documented ^ set(pages)):
        yield f"alert {name}: docs/operating.md must list exactly the alerts with severity page"


def untested_alerts():
    """Yields alerts that lack a test."""
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
