"""Verdicts by stated bounds: does a network rely on the rotation, and does its latent space show it?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

YES = "yes"
NO = "no"
NOT_LEARNT = "not learnt"
NO_VERDICT = "no verdict"
VERDICTS = (YES, NO, NOT_LEARNT, NO_VERDICT)

RELIES = 0.1
"""A network relies on the rotation if its accuracy surely falls by this much where the bias is turned round, and does
not rely on it if it surely falls by less. Surely: the whole interval lies on one side. Angles without a bias make less
of a difference to a network that ignores them: one picture in ten is beyond chance and beyond what a few angles that
are harder than others can do."""

LEARNT = 0.75
"""Below this accuracy on its own kind of pictures, a network has learnt less than half of what there was to learn
(chance is 0.5). That it does not rely on the rotation then says nothing."""

SHOWS = 45.0
"""Degrees. The mean angles of the two classes are 90° apart in the biased pictures. A direction shows the rotation if
pictures at its two ends are surely at least half as far apart, and does not show it if they surely are less."""

READABLE = 20.0
"""Degrees. A regressor whose median error is larger cannot say what a person sees. Guessing 90° misses by 45°."""


def relies(low: float, high: float, accuracy_low: float) -> tuple[str, str]:
    """Whether a network relies on the rotation, and why there is no verdict if there is none.

    Args:
        low: lower end of the interval of the accuracy that is lost when the bias is turned round.
        high: its upper end.
        accuracy_low: lower end of the interval of the accuracy on pictures like those it was trained on.

    Example:
        >>> relies(0.6, 0.7, 0.97), relies(-0.02, 0.03, 0.94), relies(-0.02, 0.03, 0.56)
        (('yes', ''), ('no', ''), ('not learnt', ''))
        >>> relies(0.08, 0.17, 0.8)
        ('no verdict', 'reliance may be above or below 0.1: its interval is 0.08 to 0.17')
    """
    if low >= RELIES:
        return YES, ""
    if not accuracy_low >= LEARNT:
        return NOT_LEARNT, ""
    if high < RELIES:
        return NO, ""
    return NO_VERDICT, f"reliance may be above or below {RELIES:g}: its interval is {low:.2f} to {high:.2f}"


def shows(low: float, high: float, relies_on_it: str, reading_error: float) -> tuple[str, str]:
    """Whether a latent space shows the rotation, and why there is no verdict if there is none.

    Args:
        low: lower end of the interval of the turn between the ends of the direction, in degrees.
        high: its upper end.
        relies_on_it: the verdict of :func:`relies`.
        reading_error: the regressor's median error in degrees.

    Example:
        >>> shows(80.0, 95.0, "yes", 7.0), shows(-5.0, 20.0, "no", 7.0), shows(80.0, 95.0, "not learnt", 7.0)
        (('yes', ''), ('no', ''), ('not learnt', ''))
        >>> shows(5.0, 49.0, "no", 7.0)
        ('no verdict', 'the turn may be above or below 45°: its interval is 5° to 49°')
        >>> shows(80.0, 95.0, "yes", 44.0)
        ('no verdict', 'the regressor cannot read the rotation: its median error is 44°, and 20° are allowed')
    """
    if relies_on_it == NOT_LEARNT:
        return NOT_LEARNT, ""
    if not reading_error <= READABLE:
        reason = f"its median error is {reading_error:.0f}°, and {READABLE:.0f}° are allowed"
        return NO_VERDICT, f"the regressor cannot read the rotation: {reason}"
    if low >= SHOWS:
        return YES, ""
    if high < SHOWS:
        return NO, ""
    return NO_VERDICT, f"the turn may be above or below {SHOWS:.0f}°: its interval is {low:.0f}° to {high:.0f}°"


def common_verdict(verdicts: Sequence[str]) -> tuple[str, int]:
    """The most frequent verdict of some trainings, and how many of them it has. In a tie, the weaker one counts.

    Example:
        >>> common_verdict(["yes", "yes", "no"]), common_verdict(["yes", "no"])
        (('yes', 2), ('no', 1))
    """
    counts = [list(verdicts).count(verdict) for verdict in VERDICTS]
    # Of equal counts the last in the list: weaker verdicts stand behind stronger ones.
    place = len(counts) - 1 - int(np.argmax(counts[::-1]))
    return VERDICTS[place], counts[place]
