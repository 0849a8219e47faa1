"""Published figures of networks that were trained from nothing, without labels."""

from typing import NamedTuple

SPLIT, WHOLE = "train -> test", "train + test"

SCAN = "Van Gansbeke et al., ECCV 2020, arXiv:2005.12320, mean of 10 runs"
PROPOS = "Huang et al., TPAMI 2022, arXiv:2111.11821"
SPICE = "Niu et al., 2022, arXiv:2103.09382"
RUC = "Park et al., CVPR 2021, arXiv:2012.11150"
JULE = "Yang et al., CVPR 2016, arXiv:1604.03628; accuracy by later papers"


class Published(NamedTuple):
    """A row of a paper.

    Attributes
    ----------
    data, protocol : str
        The set; what was learnt from and what was scored. None is not known.
    method : str
    accuracy, nmi, ari : float or None
        In percent.
    source : str
    """

    data: str
    protocol: str | None
    method: str
    accuracy: float | None
    nmi: float | None
    ari: float | None
    source: str


PUBLISHED = [
    Published("cifar10", SPLIT, "k-means on SimCLR", 65.9, 59.8, 50.9, SCAN),
    Published("cifar10", SPLIT, "SCAN", 81.8, 71.2, 66.5, SCAN),
    Published("cifar10", SPLIT, "SCAN + self-labelling", 87.6, 78.7, 75.8, SCAN),
    Published("cifar10", SPLIT, "supervised", 93.8, None, None, SCAN),
    Published("cifar10", WHOLE, "k-means on BYOL", 89.4, None, None, PROPOS),
    Published("cifar10", WHOLE, "ProPos", 94.3, None, None, PROPOS),
    Published("cifar10", None, "k-means on MoCo", 77.6, None, None, PROPOS),
    Published("cifar10", None, "k-means on SimSiam", 85.6, None, None, PROPOS),
    Published("cifar10", None, "SCAN + RUC", 90.3, None, None, RUC),
    Published("cifar10", None, "SPICE, FixMatch last", 91.8, None, None, SPICE),
    Published("mnist_test", WHOLE, "JULE", 96.1, 91.5, None, JULE),
    Published("usps", WHOLE, "JULE", 95.0, 91.3, None, JULE),
    Published("coil20", WHOLE, "JULE", None, 100.0, None, JULE),
]
