"""utils/checking/findings.py: what reports ask of the findings again and again is worked out once."""

from dataclasses import replace

from utils.checking.findings import examine
from utils.checking.html import html_report
from utils.checking.inspect import Limits
from utils.checking.report import text_report


class Counted(list):
    """A list that counts how often it is gone through."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def test_classes_and_their_images_are_counted_once_for_all_reports(photos):
    """What is left goes through the files for something else: problems, sizes, kinds."""
    found = examine(photos, Limits(), near=None)
    findings = replace(found, files=Counted(found.files))
    text_report(findings)
    html_report(findings)
    passes = findings.files.passes
    assert (findings.classes, {split: n.tolist() for split, n in findings.counts.items()}) == (
        ["flower", "temple"],
        {"train": [8, 8], "val": [4, 4]},
    )
    assert findings.files.passes == passes <= 20
