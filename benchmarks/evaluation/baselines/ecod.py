"""ECOD: outlier scores from empirical cumulative distributions (Li, Zhao, Hu, Botta, Ionescu, Chen, TKDE 2022, arXiv 2201.00382).

A value is as unusual as its tail is thin. Tails of the features are multiplied as if they were independent; of the left tails, the
right tails, and for each feature the tail on the side of its skewness, the largest sum of negative logarithms is the score.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew

Matrix = NDArray[np.float64]


def ecod(values: Matrix) -> Matrix:
    """A score for each row (samples x features); the larger, the more unusual."""
    left = -np.log(_tail(values))
    right = -np.log(_tail(-values))
    skewed = skew(values, axis=0)
    # A constant feature has no skewness; both its tails are 1 and add nothing.
    automatic = np.where(np.nan_to_num(skewed) < 0, left, right)
    scores: Matrix = np.maximum(np.maximum(left.sum(axis=1), right.sum(axis=1)), automatic.sum(axis=1))
    return scores


def _tail(values: Matrix) -> Matrix:
    """For each value the share of its column that is not larger."""
    found = np.empty(values.shape, dtype=np.float64)
    for column in range(values.shape[1]):
        ordered = np.sort(values[:, column])
        found[:, column] = np.searchsorted(ordered, values[:, column], side="right") / len(ordered)
    return found
