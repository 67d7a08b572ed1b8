"""Ensembles of one cost, and how well they know what they do not know."""

from __future__ import annotations

from typing import Any, NamedTuple

from mercer.measure.ensembles import GreedyEnsembleClassifier
from mercer.papers.measure._ensemble_images import Task

SCORES = ("entropy", "mutual-information")


class Scores(NamedTuple):
    """What one ensemble does on a task."""

    accuracy: float
    log_loss: float
    auc: dict[tuple[str, str], float]  # by other images and score of uncertainty
    precision: dict[tuple[str, str], float]


def plain_and_greedy(
    members: int, strength: float, seed: int, network: dict[str, Any]
) -> tuple[GreedyEnsembleClassifier, GreedyEnsembleClassifier]:
    """Two ensembles of one cost: half a batch of functions is half of the plain epochs more."""
    how = {"batch_size": 64, "random_state": seed, **network}
    greedy = GreedyEnsembleClassifier(members, diversity=strength, function_batch_size=32, **how)
    how["epochs"] = how["epochs"] * 3 // 2
    return GreedyEnsembleClassifier(members, diversity=0.0, **how), greedy


def scores_of(model: GreedyEnsembleClassifier, task: Task) -> Scores:
    """Of a fitted ensemble on the test images of a task and the others."""
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    P = model.predict_proba(task.X_test).astype(float)
    P /= P.sum(axis=1, keepdims=True)
    auc, precision = {}, {}
    for score in SCORES:
        known = model.uncertainty(task.X_test, score)
        for name, images in task.others.items():
            unsure = [*known, *model.uncertainty(images, score)]
            other = [0] * len(known) + [1] * len(images)
            auc[name, score] = float(roc_auc_score(other, unsure))
            precision[name, score] = float(average_precision_score(other, unsure))
    accuracy = float((P.argmax(axis=1) == task.y_test).mean())
    return Scores(accuracy, float(log_loss(task.y_test, P)), auc, precision)
