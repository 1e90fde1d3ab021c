"""Confident learning: which labels are wrong, by probabilities of networks that never saw the images.

"Confident Learning: Estimating Uncertainty in Dataset Labels", https://arxiv.org/abs/1911.00068. N images, K classes.
Labels are what is given, y in 0..K-1, some of them wrong. The result is that of cleanlab's find_label_issues with its
defaults (filter_by='prune_by_noise_rate', return_indices_ranked_by='self_confidence').
"""

import numpy as np

SLACK = 1e-6  # by which a probability may miss a threshold, or the greatest one, and count all the same
NEVER = 2.0  # threshold of a class without images
LEAST = 2e-6  # of a threshold, so that SLACK does not make every image confident
KEPT = 1  # images that each class keeps


def label_errors(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Indices of the images whose label is probably wrong, the likeliest first.

    labels: (N,) integers.  probabilities: (N, K), rows summing to 1.
    The likeliest is the one with the lowest probability of its label.
    """
    wrong = np.zeros(len(labels), dtype=bool)
    counts = errors_by_class(labels, probabilities)
    for given in range(probabilities.shape[1]):
        members = np.flatnonzero(labels == given)
        if len(members) <= KEPT:
            continue
        own = probabilities[members]
        for true in np.flatnonzero(counts[given]):
            order = np.argsort(own[:, given] - own[:, true], kind="stable")
            wrong[members[order[: counts[given, true]]]] = True
    found = np.flatnonzero(wrong & ~_agree(labels, probabilities))
    return found[np.argsort(probabilities[found, labels[found]], kind="stable")]


def errors_by_class(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K, K) whole numbers of images with label `row` that belong to class `column`; 0 on the diagonal.

    Each class keeps KEPT images: what it has too few is taken from its errors, in equal parts.
    """
    joint = calibrated_joint(labels, probabilities)
    kept = np.maximum(np.diag(joint), KEPT)
    kinds = np.maximum(np.count_nonzero(joint, axis=1) - 1, 1)
    lowered = np.maximum(joint - ((kept - np.diag(joint)) / kinds)[:, None], 0).astype(np.int64)
    np.fill_diagonal(lowered, 0)
    return lowered


def calibrated_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K, K) whole numbers: images by label (rows) and class that they belong to, by estimate (section 3.1).

    The rows sum to the images of each label.
    """
    joint = np.asfortranarray(confident_joint(labels, probabilities), dtype=np.float64)
    images = np.bincount(labels, minlength=len(joint))
    shares = (joint.T / joint.sum(axis=1) * images).T
    # As in cleanlab, whose sum runs over columns: the same numbers but for the last digits, by which ties are broken.
    shares = shares / shares.sum() * len(labels)
    return np.stack([_rounded(row) for row in shares])


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K, K) images by label and by the class that the network is confident of, at least 1 on the diagonal.

    It is confident of a class whose probability is at least the mean among images of that label; of several, of the
    likeliest (equation 1).
    """
    classes = probabilities.shape[1]
    images = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=classes)
    thresholds = np.where(images, sums / np.maximum(images, 1), NEVER).clip(min=LEAST)
    confident = probabilities >= thresholds - SLACK
    several = confident.sum(axis=1) > 1
    believed = np.where(several, probabilities.argmax(axis=1), confident.argmax(axis=1))
    sure = confident.any(axis=1)
    cells = labels[sure] * classes + believed[sure]
    joint = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    np.fill_diagonal(joint, np.maximum(np.diag(joint), 1))
    return joint


def _agree(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) whether the label is the likeliest class, or nearly so."""
    raised = probabilities.copy()
    raised[np.arange(len(labels)), labels] += SLACK
    return raised.argmax(axis=1) == labels


def _rounded(row: np.ndarray) -> np.ndarray:
    """Whole numbers with the sum of the row, rounded: those that rounding changed most give way, the last first."""
    whole = row.round()
    lacking = round(float(row.sum())) - int(whole.sum())
    if lacking:
        order = np.argsort(row - whole)  # as cleanlab sorts
        changed = order[::-1][:lacking] if lacking > 0 else order[:-lacking]
        whole[changed] += np.sign(lacking)
    return whole.astype(np.int64)
