"""The embedded regression case: 442 patients, ten measurements, and how the illness went on, from scikit-learn."""

from __future__ import annotations

from lemonade_es.trainer.data.delimited import Sheet
from lemonade_es.trainer.data.source import Source
from lemonade_es.trainer.data.tables import table


def diabetes() -> Source:
    """The diabetes data of Efron et al. (2004), in their original units, all of them still to be split."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    header = (*(str(name) for name in bunch.feature_names), "progression")
    rows = [
        [repr(float(value)) for value in (*features, target)]
        for features, target in zip(bunch.data, bunch.target, strict=True)
    ]
    return table(Sheet("diabetes", header, rows, range(1, len(rows) + 1)), "progression", "diabetes", "regression")
