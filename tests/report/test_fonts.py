"""Names in pictures on a system without a font for them."""

from utils.explain.drawing import Asked, drawing
from utils.explain.maps import Explanation
from utils.preview.augmented import Picture, Section
from utils.preview.sheet import contact_sheet
from utils.report import fonts
from utils.report.canvas import canvas, save
from utils.report.comparison_table import draw_table

import numpy as np
import pytest
import torch


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("picture", ["explanation", "sheet", "comparison"])
def test_names_that_no_font_can_draw_leave_no_warning_and_keep_what_can_be_drawn(picture, monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "_family_with", lambda letters: None if set("猫狗") & letters else "DejaVu Sans")
    if picture == "explanation":
        found = Explanation(1, torch.tensor([0.2, 0.8]), {"grad_cam": torch.zeros(4, 6)})
        figure = drawing(np.zeros((4, 6, 3), dtype=np.uint8), found, ["猫", "狗"], Asked("照片/小猫 7é.png", "猫"))
        assert figure.get_suptitle().startswith("?? 7é.png; true class: 0\nexplained: 1, 80.0%")
    elif picture == "sheet":
        section = Section("as they are", [], [[Picture(np.zeros((8, 8, 3), dtype=np.uint8), {})]])
        figure = contact_sheet("data/猫 é", [section], ["猫"], (8, 8))
        assert figure.axes[0].texts[0].get_text() == "data/? é"
    else:
        figure = canvas(9, 1, arranged=False)
        rows = [("", "0.9", "1", "raw", "0.9", "0.1", "logs/猫/exp0")]
        draw_table(figure.subfigures(), rows, ["black"], ["-"])
        assert figure.subfigs[0].axes[0].texts[-1].get_text() == "logs/?/exp0"
    save(figure, tmp_path / "picture.jpg")
