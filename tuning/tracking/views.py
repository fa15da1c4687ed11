"""What MLflow's pages show at once: a table and charts with hand-picked columns, and the links to them.

MLflow keeps a view that a person shares in a tag of the experiment and opens it by a key in the address
(`viewStateShareKey`), so a client can set one as well. Nobody has to pick columns out of fifty:

    tags = shared_views("my-digits", levers=("units", "dropout"), metric="best_val_loss")
    links = Links("1", run_id, "my-digits", compared=(...), model_id="m-...")
    links.table   # '#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=...'

The addresses are relative (`#/...`), so they hold wherever the server is; `Links.absolute` adds where.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

TABLE, CHARTS = "table", "charts"

# Widths in pixels, so that all of them fit on a screen of 1700.
_RUN_COLUMNS = {"attributes.`Run Name`": 175, "runDateAndNestInfo": 135, "duration": 70}
_METRIC_COLUMNS = {"generalization_gap": 145, "test_accuracy": 105}
_TAG_COLUMNS = {"move": 105, "diagnosis": 150, "phase": 110, "reason": 500}
_LEVER_WIDTH, _OBJECTIVE_WIDTH = 78, 115

_CURVES = ("val_loss", "train_loss")

# MLflow's pages hide what is not about language models unless they are told.
_PAGES = "workflowType=machine_learning"


def shared_view_key(study: str, view: str) -> str:
    """The key of one of a study's views, `TABLE` or `CHARTS`, in addresses."""
    return hashlib.sha256(f"{view} of {study}".encode()).hexdigest()[:16]


def shared_views(
    study: str, levers: Sequence[str], metric: str, *, greater_is_better: bool = False
) -> Mapping[str, str]:
    """The tags of the experiment that keep a study's views, by their names.

    Args:
        study: Only runs of this study are shown.
        levers: Parameters that get a column and an axis of the parallel coordinates.
        metric: The objective: sorts the runs, the best first, and is the first metric column and the last axis.
        greater_is_better: Whether it is maximized.
    """
    columns = {f"params.`{name}`": _LEVER_WIDTH for name in levers}
    columns |= {f"metrics.`{name}`": width for name, width in {metric: _OBJECTIVE_WIDTH, **_METRIC_COLUMNS}.items()}
    columns |= {f"tags.`{name}`": width for name, width in _TAG_COLUMNS.items()}
    widths = _RUN_COLUMNS | columns
    shown = {
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": not greater_is_better,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(columns),
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        **_charts(levers, metric),
    }
    # Flat, the best on top: MLflow nests, and folds away, what is sorted by time. Models without levers bend the axes.
    filters = {TABLE: 'tags.kind != "study"', CHARTS: 'tags.kind = "trial"'}
    return {
        f"mlflow.sharedViewState.{shared_view_key(study, view)}": json.dumps(
            {**shown, "searchFilter": f'tags.study = "{study}" AND {condition}'}
        )
        for view, condition in filters.items()
    }


def _charts(levers: Sequence[str], metric: str) -> dict[str, Any]:
    parallel = {
        **_chart("PARALLEL", "levers", "levers"),
        "selectedParams": list(levers),
        "selectedMetrics": [metric],
        "showAllRuns": True,
    }
    curves = [
        {**_chart("LINE", name, "curves"), "metricKey": name, "selectedMetricKeys": [name], "xAxisKey": "step"}
        for name in _CURVES
    ]
    sections = [_section("levers", "What each lever did", 1), _section("curves", "Learning curves", len(curves))]
    return {"compareRunCharts": [parallel, *curves], "compareRunSections": sections, "isAccordionReordered": True}


def _chart(kind: str, name: str, section: str) -> dict[str, Any]:
    common = {"runsCountToCompare": 100, "deleted": False, "isGenerated": False}
    return {"type": kind, "uuid": f"chart-{name}", "metricSectionId": section, **common}


def _section(uuid: str, name: str, n_columns: int) -> dict[str, Any]:
    return {"uuid": uuid, "name": name, "columns": n_columns, "display": True, "isReordered": False, "deleted": False}


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of a study's pages in MLflow.

    Args:
        experiment_id: Of the experiment.
        run_id: Of the parent run.
        study: Name of the study.
        compared: Ids of the runs to compare side by side: the finalists and the best trial.
        model_id: Of the tuned model's logged model; empty if there is none.
        registered: As what it is registered, and why, a clause; empty if it is not.
        server: Address of MLflow's pages, with a slash at its end; empty for relative addresses.
    """

    experiment_id: str
    run_id: str
    study: str
    compared: Sequence[str] = ()
    model_id: str = ""
    registered: str = ""
    server: str = ""

    def absolute(self, server: str) -> "Links":
        """The same addresses at a server."""
        return replace(self, server=server.rstrip("/") + "/")

    @property
    def report(self) -> str:
        """The page of the parent run."""
        return f"{self._run}?{_PAGES}"

    @property
    def table(self) -> str:
        """All runs of the study with the columns that matter."""
        return f"{self._experiment}/runs?{_PAGES}&viewStateShareKey={shared_view_key(self.study, TABLE)}"

    @property
    def charts(self) -> str:
        """Parallel coordinates over the levers, and the learning curves of all trials."""
        key = shared_view_key(self.study, CHARTS)
        return f"{self._experiment}/runs?{_PAGES}&compareRunsMode=CHART&viewStateShareKey={key}"

    @property
    def comparison(self) -> str:
        """The finalists side by side."""
        runs, experiments = (quote(json.dumps(ids)) for ids in (list(self.compared), [self.experiment_id]))
        return f"{self.server}#/compare-runs?runs={runs}&experiments={experiments}&{_PAGES}"

    @property
    def model(self) -> str:
        """The page of the tuned model's logged model; of all models if there is none."""
        return f"{self._experiment}/models" + (f"/{self.model_id}" if self.model_id else "") + f"?{_PAGES}"

    @property
    def _run(self) -> str:
        return f"{self._experiment}/runs/{self.run_id}"

    @property
    def _experiment(self) -> str:
        return f"{self.server}#/experiments/{self.experiment_id}"

    def markdown(self) -> str:
        """The links as a section of a description."""
        return (
            f"[Table of all trials]({self.table}) | [Charts: levers, learning curves]({self.charts}) | "
            f"[Finalists side by side]({self.comparison}) | [The tuned model]({self.model})"
        )

    def pictures(self, previews: Mapping[str, str]) -> str:
        """A run's pictures as a section of its description, each small, and a link to the folder of the whole ones.

        Args:
            previews: By the path of each picture, that of its small copy; both are artifacts of the run.
        """
        if not previews:
            return ""
        folder = quote(next(iter(previews)).rpartition("/")[0])
        link = f"[All pictures in full size, architectures and mistakes too]({self._run}/artifacts/{folder}?{_PAGES})"
        file = f"{self.server}get-artifact?run_uuid={self.run_id}&path="
        return "\n\n".join(["### Pictures", link, *(f"![]({file}{quote(small)})" for small in previews.values())])


def how_to_load(registered: str, model_id: str, tracking_uri: str, example: str) -> str:
    """How to load and serve the winner, as a section of a description.

    Args:
        registered: As what the winner is registered, and why, a clause.
        model_id: Of the logged model.
        tracking_uri: Where MLflow keeps it, as it may be shown.
        example: Shape and type of the inputs, in words.
    """
    return f"""### How to load the tuned model

```
import mlflow
mlflow.set_tracking_uri("{tracking_uri}")
model = mlflow.pyfunc.load_model("models:/{model_id}")
probabilities = model.predict(images)  # {example}
```

Serve it: `mlflow models serve -m models:/{model_id} -p 5001 --env-manager local` (with
`MLFLOW_TRACKING_URI={tracking_uri}`). Registered: {registered}.
"""
