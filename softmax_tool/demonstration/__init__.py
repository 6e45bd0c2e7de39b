"""The built-in example, 24 rows of 10 classes; missing classes are masked with -inf.

Rows 0 and 1: a logit so low that its probability underflows, not its log-probability.
Row 2: every exponential fits float16, their sum does not. Row 3: finite, sums to one, and wrong in
float16. Row 4: equal logits of 1e8, beyond float16; its label is ignored. Row 5: the shift
itself overflows float16. Row 6: log-softmax so near 0 that 1 + x loses it. Row 7: every exponential
underflows in float16. Row 8: overflows float32. Row 9 to 23: real logits of handwritten digits.
"""
