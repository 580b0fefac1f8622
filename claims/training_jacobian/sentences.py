"""Sentences of the paper, word for word, that claims of several modules judge."""

NEAR_ONE = "about 3000 out of 4810 singular values are extremely close to one"
IDENTICAL = "the left and right singular vectors corresponding to these singular values are nearly identical"
UNCHANGED = (
    "local perturbations along these directions, making up nearly two-thirds of the dimensionality of parameter space, are carried through "
    "training virtually unchanged"
)
MAGNIFIED = "Along these directions, perturbations to the initial parameters are magnified by training."
ALIGNED = "while left and right singular vectors are not identical in this part of the spectrum, they still have cosine similarity in excess of 0.6"
RANK = "the dimensionality of training is equal to rank(H) = rank(J_t(theta_0) - I)"
NOISE = "Replacing the training data with white noise yields a training Jacobian with very few singular values close to one"
SIMILAR = "training trajectories with independent random initializations do have similar bulks, much more similar than one would expect by chance"
THREE = "the singular value spectrum of the Jacobian matrix consists of three distinctive regions"
SEVEN_ORDERS = (
    'The response in the trained model matches the Jacobian "prediction" across seven orders of magnitude. ... what the linearized '
    "approximation of training would predict (dashed line) across seven orders of magnitude, up to 10^3"
)
FIGURE_3A = (
    "Perturbations along bulk directions have virtually no effect on test set predictions, while perturbations along the chaotic and "
    "stable subspaces do have a notable effect."
)
FAR = "bulk directions have a much larger behavioral effect on far OOD behavior than they do on the test set"
FIGURE_3B = (
    "When evaluating the model on white noise images, perturbations along bulk directions have roughly the same effect size as "
    "perturbations along other subspaces."
)
NULLSPACES = (
    "The nullspace for the digits dataset overlaps strongly with the training Jacobian bulk, while the white-noise dataset nullspace has "
    "no more overlap than a random subspace."
)
NOT_ON_LABELS = "the bulk is not strongly dependent on the training set labels"
WEAKLY = "this bulk depends only weakly on the initialization point, loss function, and labels"
FIGURE_6 = (
    "Restricting training to the bulk subspace makes it impossible for SGD to make progress. By contrast, training restricted to the "
    "complement of the bulk performs essentially just as well as unconstrained training."
)
SMALL_K = (
    "when neural network training is constrained to the stable subspace, training is effective for relatively small values of k (around "
    "300), and training on the chaotic subspace is effective for somewhat larger values of k (around 1000)"
)
ALMOST_UNCHANGED = (
    "Along each bulk direction, the left and right singular vectors are nearly identical, indicating that perturbations to the "
    "initialization are carried through training almost unchanged."
)
SURGICAL = (
    'should be "surgical," in the sense that they have zero effect on the final parameters along any direction orthogonal to the '
    "left singular vector u_i ... In practice, we find it stays remarkably small even for large stimulus sizes."
)
LONGER = (
    "The linearization of training remains valid for much longer along bulk directions than it does along a top singular vector."
)
LITTLE = "Parameters change little along the bulk subspace compared to the chaotic and stable subspaces."
STRENGTH = (
    "The active subspace seems to be selected in part based on how strongly each direction in parameter space affects in-distribution "
    "behavior at initialization"
)
