"""What processes that run Snakemake have imported already: it takes longer than most plans.

They also know Snakemake's plugins, and never look through all this for garbage, which would copy its memory.
"""

from __future__ import annotations

import gc

import pandas  # noqa: F401
import smart_open  # noqa: F401
import snakemake.persistence.db
import snakemake.report.html_reporter  # noqa: F401
from snakemake.cli import get_argument_parser

get_argument_parser()
gc.collect()
gc.freeze()
