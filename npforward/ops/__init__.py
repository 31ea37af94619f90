"""Functions on arrays, each written once with its value, its shape rule and its derivatives.

Plain arrays in, plain array out: ``npforward.ops.relu(array)``.
"""

# ruff: noqa: F403  every op of these modules is public: the decorator is the list
from npforward.ops.activations import *
from npforward.ops.activations import linear as identity
from npforward.ops.arithmetic import *
from npforward.ops.arranging import *
from npforward.ops.comparison import *
from npforward.ops.convolution import *
from npforward.ops.creation import *
from npforward.ops.ctc import *
from npforward.ops.decompositions import *
from npforward.ops.elementwise import *
from npforward.ops.fourier import *
from npforward.ops.histograms import *
from npforward.ops.images import *
from npforward.ops.indexing import *
from npforward.ops.linalg import *
from npforward.ops.linear import *
from npforward.ops.lookup import *
from npforward.ops.losses import *
from npforward.ops.opaque import own
from npforward.ops.patches import *
from npforward.ops.pooling import *
from npforward.ops.products import *
from npforward.ops.quantization import *
from npforward.ops.reduction import *
from npforward.ops.resizing import *
from npforward.ops.sampling import *
from npforward.ops.scan import output_of, scan
from npforward.ops.searching import *
from npforward.ops.segments import *
from npforward.ops.sequences import *
from npforward.ops.shaping import *
from npforward.ops.signals import *
from npforward.ops.sorting import *
from npforward.ops.special import *
from npforward.ops.statistics import *
from npforward.ops.text import *
