from app.state import PageState


def test_the_playhead_of_one_video_is_not_that_of_another() -> None:
    state = PageState()
    assert state.position_in("long") == 0.0
    state.position_seconds = 469.0  # where the reader went
    assert state.position_in("long") == 469.0
    assert state.position_in("short") == 0.0
    state.go_to(8.0)  # a citation opens a video at its frame
    assert state.position_in("long") == 8.0 and state.position_in("short") == 0.0
