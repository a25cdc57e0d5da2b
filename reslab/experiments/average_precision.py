"""Lesson 10: the segmenter measured as a detector is: average precision (AP) of the objects that it finds.

An object is a patch: pixels of one class that touch by their sides, in the truth and in an answer alike; so two shapes
of one kind that overlap are one. A patch that is found has a score, the mean probability of its class over its pixels.
From the highest score on, a found patch is right if a true patch of its picture and class shares IoU ≥ 0.5 with it and
was not found before (Everingham et al. 2010, doi:10.1007/s11263-009-0275-4, §4.2).
"""

import numpy as np

MATCH_IOU = 0.5  # IoU from which a patch is right


def average_precision(found, certain, truth, classes):
    """The area under precision against recall, (classes - 1,) float64, of each class but 0; NaN for one that the truth
    does not have.

    found: the class of every pixel (N, S, S); certain: its probability; truth: as found. Precision counts as the best
    at this recall or a higher one, at every recall (as VOC does since 2010).
    """
    found, certain, truth = (np.asarray(each) for each in (found, certain, truth))
    return np.array([_of_one_class(found == kind, certain, truth == kind) for kind in range(1, classes)])


def _of_one_class(found, certain, truth):
    from skimage.measure import label

    scores, overlaps, count = [], [], 0  # of found patches: score, {true patch: IoU}; count: true patches before
    for here, probability, there in zip(found, certain, truth, strict=True):
        mine, true = label(here, connectivity=1), label(there, connectivity=1)
        sizes = np.bincount(true.ravel())
        for patch in range(1, mine.max() + 1):
            inside = mine == patch
            shared = np.bincount(true[inside], minlength=len(sizes))[1:]
            iou = shared / (inside.sum() + sizes[1:] - shared)
            scores.append(probability[inside].mean())
            overlaps.append({count + i: value for i, value in enumerate(iou) if value >= MATCH_IOU})
        count += len(sizes) - 1
    if not count:
        return float("nan")
    taken, right = set(), []
    for i in np.argsort(-np.array(scores), kind="stable"):
        best = max(overlaps[i], key=overlaps[i].get, default=None)
        right.append(best is not None and best not in taken)
        taken.add(best)
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[np.array(right, dtype=bool)].sum() / count)
