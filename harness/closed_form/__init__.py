"""Training maps whose Jacobians are known in closed form, to judge an engine by.

numpy and scipy only, so that nothing here is shared with the engine under test. Every function returns an
:class:`Exact`: J, its singular values, those of J - I, and how far a float64 engine may be from it.

    loss                        training                              J
    1/2 th.H.th (fixed H)       gradient flow to time t               exp(-H t)                    :func:`flow`
    1/2 th.H.th (fixed H)       T steps, any schedule and momentum    Q diag(p_T(h_i)) Q^T         :func:`descend`
    1/2 th.H_t.th               T steps, one Hessian a mini-batch     corner of a product of blocks:func:`descend_batches`
    least squares               the same, H_t = X_t^T X_t / b         the same                     :func:`descend_least_squares`
    softmax regression          T plain steps, one mini-batch each    product of I - eta_t H(th_t) :func:`descend_softmax`
"""

from harness.closed_form.exact import PLAIN, Exact, Momentum, gamma
from harness.closed_form.quadratic import Quadratic, descend, descend_batches, descend_least_squares, discretisation, flow
from harness.closed_form.softmax import descend_softmax, softmax_smoothness

__all__ = [
    "PLAIN",
    "Exact",
    "Momentum",
    "Quadratic",
    "descend",
    "descend_batches",
    "descend_least_squares",
    "descend_softmax",
    "discretisation",
    "flow",
    "gamma",
    "softmax_smoothness",
]
