"""Linear classifiers on features: logistic regression by scikit-learn over a path of strengths, and neighbours.

scikit-learn takes a second to import, which every command would spend: only what fits a classifier does so.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits  # scikit-learn's own

from ..errors import WeightsError
from ..training.metrics import Metrics, metrics_from

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

STRENGTHS = tuple(float(c) for c in np.logspace(-4, 1, 11))  # inverse of the L2 penalty, of features of variance 1
ITERATIONS = 1000
NEIGHBOURS = 10
MANY = 2**24  # numbers among the features
ABSENT = -1e4  # logit of a class of which a fold has no image to learn from


@dataclass(frozen=True)
class Labelled:
    """Features with their classes."""

    x: np.ndarray  # (N, D)
    y: np.ndarray  # (N,)

    def part(self, rows: np.ndarray) -> "Labelled":
        return Labelled(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class LinearClassifier:
    """logits = x weight^T + bias, on features as the network gives them."""

    strength: float
    weight: np.ndarray  # (K, D) float64
    bias: np.ndarray  # (K,) float64

    def logits(self, x: np.ndarray) -> np.ndarray:
        return x.astype(np.float64) @ self.weight.T + self.bias


def fit_path(data: Labelled, num_classes: int, strengths: Sequence[float] = STRENGTHS) -> list[LinearClassifier]:
    """A classifier for each strength, which the next one starts from.

    Features are brought to mean 0 and variance 1 first, and both are part of the weights that are returned.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(data.x.astype(np.float64))
    scaled = scaler.transform(data.x.astype(np.float64))
    model = LogisticRegression(max_iter=ITERATIONS, warm_start=True)
    found = []
    # in small products BLAS's threads do little but wait for each other, which beside other work takes 50 times as long
    threads = 1 if data.x.size < MANY else None
    with warnings.catch_warnings(), threadpool_limits(threads, user_api="blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # weak penalties on separable classes have no end
        for strength in strengths:
            model.set_params(C=strength).fit(scaled, data.y)
            coefficients, intercepts = _of_every_class(model, num_classes)
            weight = coefficients / scaler.scale_
            found.append(LinearClassifier(strength, weight, intercepts - weight @ scaler.mean_))
    return found


def _of_every_class(model: "LogisticRegression", num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """(K, D) coefficients and (K,) intercepts; scikit-learn has one row for two classes, and none for absent ones."""
    rows, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        rows = np.concatenate((-rows / 2, rows / 2))
        intercepts = np.concatenate((-intercepts / 2, intercepts / 2))
    weight = np.zeros((num_classes, rows.shape[1]))
    bias = np.full(num_classes, ABSENT)
    weight[model.classes_], bias[model.classes_] = rows, intercepts
    return weight, bias


def as_head(classifier: LinearClassifier, data: Labelled) -> LinearClassifier:
    """The classifier, fitted on `data`, with the least mean logit of the others for classes that have no image there.

    ABSENT is for judging: in a head it would make losses of thousands, and a temperature that levels all probabilities.
    """
    present = np.unique(data.y)
    bias = np.full_like(classifier.bias, classifier.logits(data.x)[:, present].mean(axis=0).min())
    bias[present] = classifier.bias[present]
    return replace(classifier, bias=bias)


@dataclass(frozen=True)
class Score:
    """How a classifier, or one for each fold, does on images that it was not fitted on."""

    metrics: Metrics
    loss: float  # mean cross-entropy
    confusion: np.ndarray  # (K, K) int64; row: true class

    @property
    def rank(self) -> tuple[float, float]:
        return self.metrics.accuracy, -self.loss


def score(logits: np.ndarray, y: np.ndarray) -> Score:
    """Of (N, K) logits and (N,) classes."""
    from sklearn.metrics import confusion_matrix, log_loss

    classes = range(logits.shape[1])
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    confusion = confusion_matrix(y, logits.argmax(axis=1), labels=classes).astype(np.int64)
    loss = float(log_loss(y, probabilities, labels=classes)) if len(classes) > 1 else 0.0
    return Score(metrics_from(confusion), loss, confusion)


def best_on(data: Labelled, val: Labelled, num_classes: int) -> tuple[LinearClassifier, Score]:
    """The classifier, fitted on `data`, of the strength that is best on `val`, which its score flatters a little."""
    scored = [(each, score(each.logits(val.x), val.y)) for each in fit_path(data, num_classes)]
    return max(scored, key=lambda pair: pair[1].rank)


def check_finite(x: np.ndarray, source: str) -> None:
    """Raises WeightsError, naming the file of the weights, for features that are no numbers."""
    if not np.isfinite(x).all():
        raise WeightsError(f"{source}: its weights make features that are no numbers (NaN or infinite)")


def most_folds(y: np.ndarray) -> int:
    """How many folds images of these classes can be divided into; 1 where one fold would leave a single class.

    A class of one image is missing where that one is held back, so two classes have to have more.
    """
    counts = np.bincount(y)
    return int(counts.max()) if np.count_nonzero(counts > 1) > 1 else 1


@dataclass(frozen=True)
class ByFolds:
    """N images, each judged by the classifier of the other folds."""

    strength: float  # the best over all
    logits: np.ndarray  # (N, K)
    fold_of: np.ndarray  # (N,) which fold each image is in
    score: Score


def best_by_folds(data: Labelled, num_classes: int, folds: int, seed: int) -> tuple[float, Score]:
    """(strength, score) over all images, each by the classifier of the other folds, of the best strength."""
    found = judged_by_folds(data, num_classes, folds, seed)
    return found.strength, found.score


def judged_by_folds(data: Labelled, num_classes: int, folds: int, seed: int) -> ByFolds:
    """By the classifiers of the strength that is best over all images. The folds are stratified by class."""
    from sklearn.model_selection import StratifiedKFold

    logits = np.zeros((len(STRENGTHS), len(data.y), num_classes))
    fold_of = np.zeros(len(data.y), dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer images than folds
        divided = list(splitter.split(data.x, data.y))
    for fold, (fitted, held) in enumerate(divided):
        fold_of[held] = fold
        for row, each in zip(logits, fit_path(data.part(fitted), num_classes)):
            row[held] = each.logits(data.x[held])
    scores = [score(each, data.y) for each in logits]
    best = max(range(len(scores)), key=lambda i: scores[i].rank)
    return ByFolds(STRENGTHS[best], logits[best], fold_of, scores[best])


def neighbours(data: Labelled, val: Labelled) -> float:
    """Accuracy on `val` by the nearest images, in angle, weighed by their nearness."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(min(NEIGHBOURS, len(data.y)), metric="cosine", weights="distance")
    return float(model.fit(data.x, data.y).score(val.x, val.y))
