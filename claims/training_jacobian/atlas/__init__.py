"""The atlas around the paper's network: variants of data, network and training, and the questions for all variants.

``python -m claims.training_jacobian.atlas`` sweeps it.
"""
