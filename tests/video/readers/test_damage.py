"""Damage is shown by more frames than the damaged frame."""

from framelens.video.readers.damage import Damage


def shown(*frames: tuple[float, str]) -> list[bool]:
    damage, reports, found = Damage(), 0, []
    for seconds, marks in frames:
        reports += marks.count("x")
        found.append(damage.shows(seconds, num_reported=reports, is_whole="k" in marks))
    return found


def test_damage_is_shown_until_it_is_drawn_over() -> None:
    # Damage lasts until next key frame.
    assert shown((0, "k"), (1, ""), (2, "x"), (3, ""), (4, "k"), (5, "")) == [False, False, True, True, False, False]
    assert shown((0, "kx"), (1, ""), (2, "k")) == [True, True, False]  # damaged key frame is recognised
    # Damage fades with intra refresh.
    assert shown((0, "k"), (1, "x"), (12, ""), (13.5, ""), (14, "")) == [False, True, True, False, False]


def test_a_message_may_be_about_any_frame_in_flight() -> None:
    damage = Damage()
    found = [
        damage.shows(time, num_reported=0, is_whole=True, num_messages=int(time >= 2), num_in_flight=3)
        for time in range(7)
    ]
    assert found == [False, False, True, True, True, False, False]


def test_frames_drawn_from_a_doubtful_one_show_damage_too() -> None:
    damage = Damage()
    found = [
        damage.shows(time, num_reported=0, is_whole=time in (0, 5), num_messages=int(time >= 1), num_in_flight=2)
        for time in range(7)
    ]
    assert found == [False, True, True, True, True, False, False]
