"""Log-probabilities held against SciPy's in float64: `scipy_check.py LOGITS CANDIDATE`."""

import sys

import numpy as np
from scipy.special import log_softmax

logits, candidate = np.load(sys.argv[1]), np.load(sys.argv[2])
np.testing.assert_allclose(candidate, log_softmax(logits.astype(np.float64), axis=1), rtol=1e-5)
