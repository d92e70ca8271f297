"""The settings by card in the tuning guide: those that `framelens models --fit` proposes."""

import json
import shlex

import pytest

from framelens.cli import main
from framelens.engine.hardware_profile import HardwareProfile
from tests.test_guides import ROOT, fenced


@pytest.mark.slow
def test_the_settings_by_card_are_what_is_proposed_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_cores = HardwareProfile("here", None, memory_gib=16)
    monkeypatch.setattr(HardwareProfile, "here", lambda: two_cores)
    text = (ROOT / "docs/guide/tuning.en.md").read_text(encoding="utf-8")
    blocks = [block for block in fenced(text, "bash") if block.startswith("framelens models --fit")]
    assert len(blocks) > 5
    for block in blocks:
        asked, *output = block.splitlines()
        assert main.main([*shlex.split(asked)[1:], "--json"]) == 0
        best = json.loads(capsys.readouterr().out)[0]
        proposed = {"VLLM_MODEL_PATH": best["id"], "VLLM_CONFIG": f"'{json.dumps(best['vllm_config'])}'"}
        proposed |= best["environment"]
        assert output == [f"export {name}={value}" for name, value in proposed.items()], f"tuning.*.md: {asked}"
