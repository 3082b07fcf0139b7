"""Which module each operation is in, so that a run loads only the modules it uses. A test compares."""

HOMES = {
    "arithmetic": (
        "add divide equal floor_divide greater greater_equal less less_equal logical_and logical_not "
        "logical_or maximum minimum mod multiply negative not_equal positive power subtract"
    ),
    "elementwise": (
        "abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil clip cos cosh exp exp2 expm1 "
        "floor hypot isclose isfinite isinf isnan log log10 log1p log2 log_sigmoid logaddexp reciprocal relu "
        "round sigmoid sign sin sinh softplus sqrt square tan tanh trunc where"
    ),
    "activations": "elu huber leaky_relu silu",
    "special": "copysign digamma erf erfc erfinv gammaln gelu sinc xlogy",
    "reductions": (
        "all allclose any argmax argmin count_nonzero max mean median min nanmean nansum prod quantile std sum "
        "trapezoid var"
    ),
    "norms": "norm",
    "softmax": "log_softmax logsumexp softmax",
    "scans": "cummax cumprod cumsum",
    "creation": (
        "arange bool eye float full full_like int linspace one_hot ones ones_like tri tril_indices "
        "triu_indices zeros zeros_like"
    ),
    "random": "permutation random_bernoulli random_normal random_uniform",
    "shape": (
        "astype atleast_1d atleast_2d atleast_3d broadcast_to expand_dims flatten moveaxis ravel reshape "
        "squeeze stack swapaxes transpose"
    ),
    "joining": "concatenate diff flip hstack meshgrid pad repeat roll rot90 split tile tril triu vstack",
    "indexing": "index",
    "sorting": "argsort flatnonzero nonzero searchsorted sort take take_along_axis unique",
    "linalg": "cross diag diagflat diagonal dot inner kron matmul outer tensordot trace",
    "einsum": "einsum",
    "matrices": (
        "cholesky det eigh eigvalsh expm inv lstsq matrix_power pinv qr slogdet solve solve_triangular svd svdvals"
    ),
    "networks": (
        "avg_pool2d batch_norm conv1d conv2d convolve correlate cross_entropy dropout embedding "
        "layer_norm max_pool2d mse"
    ),
    "custom": "detach stop_gradient",
}

# Operations that rules use and programs do not see.
INTERNAL = {
    "arithmetic": "share",
    "elementwise": "cosquare indicator passes sech2 sigmoid_slope tanh_slope",
    "special": "ndtr spherical_j trigamma",
    "reductions": "tied",
    "norms": "norm2 norm_p",
    "scans": "cumprod_along cumsum_along last_records linear_scan",
    "random": "normal_draws shuffled uniform_draws",
    "indexing": "scatter scattered written",
    "einsum": "einsum_of",
    "networks": "convolve_full fold windows",
    "custom": "custom_call transfer",
}

# Functions over plain arrays that rules and values use and NumPy does not have.
PLAIN_FUNCTIONS = {
    "arithmetic": "quotients remainders share",
    "elementwise": "cosquare indicator inside passes sech2 sigmoid sigmoid_slope softplus tanh_slope",
    "special": "digamma erf erfc erfinv gammaln ndtr polygamma spherical_j xlogy",
    "reductions": "tied",
    "softmax": "logsumexp softmax",
    "scans": "last_records linear_scan",
    "indexing": "index_plain last_written scatter scattered update_plain",
    "matrices": "matrix_exponential",
    "custom": "transfer",
}
