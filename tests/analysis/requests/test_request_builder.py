"""Pictures that are made ahead equal the pictures that would be made on the spot, once each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from framelens.analysis.requests import request_builder
from framelens.analysis.requests.request_builder import ImagePrefetch
from framelens.core.domain import Keyframe
from framelens.llm.messages import data_url
from tests.analysis.test_pipeline import keyframes


def test_prepared_images_equal_direct_ones_and_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def noted(frame: Keyframe, side: int) -> str:
        made.append(frame.number)
        return data_url(frame, side)

    monkeypatch.setattr(request_builder, "data_url", noted)
    one, two = keyframes(2)
    with ThreadPoolExecutor(1) as executor:
        pictures = ImagePrefetch(executor)
        pictures.prefetch([one], 32)
        pictures.prefetch([one], 32)
    assert made == [1]
    assert pictures.take(one, 32) == data_url(one, 32)
    assert made == [1]
    assert [pictures.take(one, 16), pictures.take(two, 32)] == [data_url(one, 16), data_url(two, 32)]
    assert made == [1, 1, 2]


def test_no_one_waits_for_pictures_that_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    (frame,) = keyframes(1)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(held.wait, 60)
        pictures = ImagePrefetch(executor)
        pictures.prefetch([frame], 32)
        assert pictures.take(frame, 32) == data_url(frame, 32)
        pictures.prefetch([frame], 16)
        executor.shutdown(wait=False, cancel_futures=True)
        assert pictures.take(frame, 16) == data_url(frame, 16)
        held.set()
