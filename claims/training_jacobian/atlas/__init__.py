"""The atlas around the paper's network: variants of data, network and training, and what is asked of all of them.

``python -m claims.training_jacobian.atlas`` sweeps it.
"""
