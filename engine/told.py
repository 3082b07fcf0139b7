"""What the functions of `nd` say of themselves: a line for each, and the rest from the registry.

told("cumsum", op, call, "nd")      the text that help(nd.cumsum) shows
Signature(op, call)                 stands for the signature, made when someone asks for it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ndgrad.primitive import REQUIRED, Primitive

_LINES = """
abs the absolute value
add the sum of two arrays
all whether every entry is true
allclose whether the entries of two arrays are the same, up to rtol and atol
any whether some entry is true
arange the numbers from start up to, not including, stop
arccos the inverse of the cosine
arccosh the inverse of the hyperbolic cosine
arcsin the inverse of the sine
arcsinh the inverse of the hyperbolic sine
arctan the inverse of the tangent
arctan2 the angle of the point (b, a), from -pi to pi
arctanh the inverse of the hyperbolic tangent
argmax the place of the largest entry, the first of equal ones
argmin the place of the smallest entry, the first of equal ones
argsort the places of the entries in ascending order
astype the entries in another dtype
atleast_1d the array with one axis or more
atleast_2d the array with two axes or more
atleast_3d the array with three axes or more
avg_pool2d the means over windows of images
batch_norm the entries with mean 0 and variance 1 over all axes but one, scaled and shifted
bool whether the entries are not zero
broadcast_to the array repeated to a larger shape
cbrt the cube root
ceil the next integer upwards
cholesky the lower triangular factor of a positive definite matrix
clip the entries held between two bounds
concatenate arrays joined along an axis that they have
conv1d the cross-correlation of sequences with filters
conv2d the cross-correlation of images with filters
convolve the discrete convolution of two vectors
copysign the magnitudes of a with the signs of b
correlate the cross-correlation of two vectors
cos the cosine
cosh the hyperbolic cosine
count_nonzero how many entries are not zero
cross the vector product
cross_entropy the mean of -log softmax(x) at the labels
cummax the running maxima
cumprod the running products
cumsum the running sums
det the determinants of square matrices
detach the same values, from which no derivative goes on
diag the diagonal of a matrix, or the matrix with this diagonal
diagflat the matrix with these entries on its diagonal
diagonal the diagonals of matrices
diff the differences of neighbours along an axis
digamma the derivative of the logarithm of the gamma function
divide the quotient of two arrays
dot the product of matrices or vectors: over the last axis of the first, the first axis of the second
dropout entries set to 0 at random while training, the others scaled up
eigh the eigenvalues and eigenvectors of symmetric matrices
eigvalsh the eigenvalues of symmetric matrices
einsum the sum of products that a string of subscripts says
elu x where it is positive, exp(x) - 1 scaled elsewhere
embedding the rows of a table at these indices
equal whether entries are equal
erf the error function
erfc 1 minus the error function
erfinv the inverse of the error function
exp the exponential
exp2 2 to the power of x
expand_dims the array with a new axis of size 1
expm the exponential of a square matrix
expm1 exp(x) - 1, exact for small x
eye the identity matrix
flatnonzero the places, counted through all entries, of those that are not zero
flatten the entries with all axes but the first merged
flip the entries in reverse order along an axis, or all
float the entries as floats
floor the next integer downwards
floor_divide the quotient rounded downwards
full an array with one value in every entry
full_like an array of this shape with one value in every entry
gammaln the logarithm of the absolute value of the gamma function
gelu x times the probability that a normal variable is below x
greater whether a is greater than b
greater_equal whether a is greater than b or equal
hstack arrays joined along the second axis, vectors along the first
huber x squared over 2 near 0, linear beyond delta
hypot the root of a squared plus b squared, without overflow
index the entries at an index: x[key]
inner the sums of products over the last axes
int the entries as integers, their digits cut off
inv the inverses of square matrices
isclose whether entries are the same, up to rtol and atol
isfinite whether entries are neither infinite nor nan
isinf whether entries are infinite
isnan whether entries are nan
kron the Kronecker product
layer_norm the entries with mean 0 and variance 1 along an axis, scaled and shifted
leaky_relu x where it is positive, slope times x elsewhere
less whether a is less than b
less_equal whether a is less than b or equal
linspace evenly spaced numbers from start to stop
log the natural logarithm
log10 the logarithm to base 10
log1p log(1 + x), exact for small x
log2 the logarithm to base 2
log_sigmoid the logarithm of the sigmoid, without its overflow
log_softmax the logarithm of softmax, without its overflow
logaddexp log(exp(a) + exp(b)), without its overflow
logical_and whether both are not zero
logical_not whether entries are zero
logical_or whether one of both is not zero
logical_xor whether exactly one of both is not zero
logsumexp the logarithm of the sum of exponentials, without its overflow
lstsq the x with the smallest |a x - b|
matmul the product of matrices, or of stacks of them
matrix_power a square matrix multiplied with itself n times
max the largest entry
max_pool2d the maxima over windows of images
maximum the larger of two entries
mean the mean of the entries
median the median of the entries
meshgrid the coordinates of the points of a grid
min the smallest entry
minimum the smaller of two entries
mod the remainder, with the sign of the divisor
moveaxis the array with one axis at another place
mse the mean of the squared differences
multiply the product of two arrays, entry by entry
nanmean the mean of the entries that are not nan
nanprod the product of the entries that are not nan
nansum the sum of the entries that are not nan
negative the entries with the other sign
nonzero the places of the entries that are not zero, an array for each axis
norm the norm of vectors or matrices
not_equal whether entries differ
one_hot for each index a vector with 1 there and 0 elsewhere
ones an array of ones
ones_like ones in this shape
outer the products of all pairs of entries
pad the array with a border
permutation the numbers below n in random order
pinv the pseudo-inverse
positive the entries as they are
power a to the power of b
prod the product of the entries
qr the factors Q, orthogonal, and R, upper triangular
quantile the value below which the part q of the entries is
random_bernoulli 1 with this probability, else 0
random_normal random numbers of a normal distribution
random_uniform random numbers, evenly distributed from low to high
ravel the entries in one axis
reciprocal 1 / x
relu x where it is positive, else 0
repeat every entry several times
reshape the entries in another shape
roll the entries moved along an axis, around its end
rot90 the array turned by quarters
round the nearest number with so many decimals, halves to even ones
searchsorted where to put v so that a stays sorted
sigmoid 1 / (1 + exp(-x))
sign -1, 0 or 1
silu x times its sigmoid
sin the sine
sinc sin(pi x) / (pi x)
sinh the hyperbolic sine
slogdet the sign and the logarithm of the magnitude of the determinant
softmax the exponentials over their sum along an axis
softplus log(1 + exp(x)), without its overflow
solve the x with a x = b
solve_triangular the x with a x = b, where a is triangular
sort the entries in ascending order along an axis
split the array in parts along an axis
sqrt the square root
square the square
squeeze the array without its axes of size 1
stack arrays joined along a new axis
std the standard deviation
stop_gradient the same values, from which no derivative goes on
subtract the difference of two arrays
sum the sum of the entries
svd the factors U, S and V of the singular value decomposition
svdvals the singular values
swapaxes the array with two axes exchanged
take the entries at these indices along an axis
take_along_axis an entry along an axis for every place of the others
tan the tangent
tanh the hyperbolic tangent
tensordot the sums of products over several axes
tile the array repeated side by side
trace the sum of the diagonal
transpose the array with its axes in another order, reversed unless said
trapezoid the integral by the trapezoidal rule
tri ones on and below a diagonal
tril the entries on and below a diagonal, else 0
tril_indices the places on and below a diagonal
triu the entries on and above a diagonal, else 0
triu_indices the places on and above a diagonal
trunc the integer towards 0
unique the different entries, sorted
var the variance
vstack arrays joined along the first axis, vectors as rows
where a where the condition holds, else b
xlogy x log(y), 0 where x is 0
zeros an array of zeros
zeros_like zeros in this shape
BlockGrad the same values, from which no derivative goes on
Cast the entries in another dtype
Concat arrays joined along the axis `dim`
ElementWiseSum the sum of any number of arrays
Embedding the rows of a table at these indices
Flatten the entries with all axes but the first merged
LayerNorm the entries with mean 0 and variance 1 along an axis, scaled and shifted
LeakyReLU x where it is positive, slope times x elsewhere; or the activation named by act_type
LinearRegressionOutput the data; its gradient is that of half the squared distance to the label
LogisticRegressionOutput the sigmoid; its gradient is that of the cross-entropy with the label
MAERegressionOutput the data; its gradient is that of the absolute distance to the label
MakeLoss the data as a loss: its gradient is grad_scale, whatever arrives from above
SwapAxis the array with two axes exchanged
add_n the sum of any number of arrays
argmax_channel the place of the largest entry along the last axis, as a float
batch_take one entry of each row
broadcast_axes the array repeated along axes of size 1
broadcast_axis the array repeated along axes of size 1
broadcast_equal 1 where entries are equal, else 0
broadcast_greater 1 where the first is greater, else 0
broadcast_greater_equal 1 where the first is greater or equal, else 0
broadcast_lesser 1 where the first is less, else 0
broadcast_lesser_equal 1 where the first is less or equal, else 0
broadcast_like the first array repeated to the shape of the second
broadcast_logical_and 1 where both are not zero, else 0
broadcast_logical_or 1 where one of both is not zero, else 0
broadcast_logical_xor 1 where exactly one of both is not zero, else 0
broadcast_not_equal 1 where entries differ, else 0
cast the entries in another dtype
concat arrays joined along the axis `dim`
degrees radians as degrees
elemwise_add the sum of two arrays of one shape
elemwise_div the quotient of two arrays of one shape
elemwise_mul the product of two arrays of one shape
elemwise_sub the difference of two arrays of one shape
gamma the gamma function
hard_sigmoid alpha x + beta, held between 0 and 1
lesser 1 where the first is less, else 0
lesser_equal 1 where the first is less or equal, else 0
linalg_extractdiag the diagonals of matrices
linalg_makediag the matrix with this diagonal
linalg_sumlogdiag the sum of the logarithms of the diagonal
make_loss the data as a loss: its gradient is 1, whatever arrives from above
max_axis the largest entry
min_axis the smallest entry
normal random numbers of a normal distribution
radians degrees as radians
random_exponential random numbers of an exponential distribution
random_gamma random numbers of a gamma distribution
random_poisson random numbers of a Poisson distribution
random_randint random integers from low to high - 1
rcbrt 1 over the cube root
reshape_like the entries of the first array in the shape of the second
rsqrt 1 over the square root
sample_multinomial random indices, drawn with these probabilities
shape_array the shape as an array
shuffle the entries in random order along the first axis
size_array the number of entries as an array
smooth_l1 x squared near 0, linear beyond
softmax_cross_entropy the sum of -log softmax(data) at the labels
softmin softmax of the negative entries
softsign x / (1 + |x|)
split_v2 the array in parts along an axis
sum_axis the sum of the entries
uniform random numbers, evenly distributed from low to high
"""
_PLACES: dict[str, str] = {}


def about(name: str) -> str:
    """What the function computes, in a line; "" for a name that is not known."""
    if not _PLACES:
        for line in _LINES.strip().splitlines():
            key, _, text = line.partition(" ")
            _PLACES[key] = text
    return _PLACES.get(name, "")


def told(name: str, op: Primitive | None, call: Callable[..., Any]) -> str:
    """The text of a function: what it computes, its arguments and its shape, where it has kinks, an example."""
    if op is None:
        first = call.__doc__ or about(name)
        return f"{_sentence(first)}\n\nout, if given, is an array that receives the result and is returned."
    made = [_sentence(about(name) or about(op.name))]
    rows = [(p.name, _kind(p.kind, p.default)) for p in op.signature if not op.gathers or p.kind != "array"]
    rows.append(("out", "an array that receives the result and is returned; None makes a new one"))
    width = max(len(label) for label, _ in rows)
    made.append("\n".join(f"{label.ljust(width)}  {said}" for label, said in rows))
    shape = _shape(op)
    if shape:
        made.append(f"Shape: {shape}.")
    if op.untracked and not op.gathers:
        made.append("Nothing is differentiated through it.")
    made += [f"Where {kink.where}, the derivative is {kink.value}." for kink in op.kinks]
    made.append(f"Example: {op.example}")
    return "\n\n".join(made)


def _sentence(text: str) -> str:
    """The text with a capital and a full stop, unless it begins with a word of the code."""
    text = text.strip().rstrip(".")
    first = text.split(" ")[0]
    return f"{text[:1].upper() + text[1:] if first.isalpha() and len(first) > 1 else text}."


def _kind(kind: str, default: Any) -> str:
    what = {"array": "an array, numbers or lists of them", "arrays": "a list of arrays"}.get(kind, "")
    if default is REQUIRED:
        return what or "must be given"
    return f"{what + '; ' if what else ''}{default!r} unless given"


def _shape(op: Primitive) -> str:
    if op.elementwise:
        return "that of the operand" if op.arity == 1 else "the one that the operands broadcast to"
    if op.unknown:
        return op.unknown
    return f"as numpy.{op.name} gives it" if hasattr(np, op.name) else ""


class Signature:
    """Stands behind a function whose signature is that of an operation; inspect.signature finds it there."""

    def __init__(self, op: Primitive | None, call: Callable[..., Any]) -> None:
        self.op = op
        self.call = call

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self.call(*args, **named)

    @property
    def __signature__(self) -> Any:
        import inspect

        kinds, empty = inspect.Parameter, inspect.Parameter.empty
        if self.op is None:
            made = [p.replace(annotation=empty) for p in inspect.signature(self.call).parameters.values()]
        elif self.op.gathers:
            first = self.op.signature[0].name
            made = [kinds(first, kinds.POSITIONAL_OR_KEYWORD), kinds("operands", kinds.VAR_POSITIONAL)]
        else:
            made = [
                kinds(p.name, kinds.POSITIONAL_OR_KEYWORD, default=empty if p.default is REQUIRED else p.default)
                for p in self.op.signature
            ]
        if all(p.name != "out" for p in made):
            rest = made.pop() if made and made[-1].kind is kinds.VAR_KEYWORD else None
            made.append(kinds("out", kinds.KEYWORD_ONLY, default=None))
            made += [rest] if rest is not None else []
        return inspect.Signature(made)
