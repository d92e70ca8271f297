"""Images of the user: checked before they are decoded, upright, without transparency, and stored once."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from framelens.core.errors import ConfigError, InputError
from framelens.i18n import error_text
from framelens.questions.conversation import AskSettings, Conversation
from framelens.questions.images import MOST_BYTES, read_image
from framelens.questions.repository import ConversationRepository
from framelens.store.database import Row, Store
from framelens.store.trash import Trash


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "framelens.sqlite")
    store.save(Row("job", "2026-01-01", "clip.mp4", "done", "me", "{}"))
    yield store
    store.close()


@pytest.fixture
def repository(store: Store) -> ConversationRepository:
    return ConversationRepository(store)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    data = BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few kilobytes that would take ten gigabytes to decode."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def kept(repository: ConversationRepository, data: bytes) -> Image.Image:
    (image,) = repository.keep_images([("image.png", data)])
    (jpeg,) = repository.pictures([image]).values()
    return Image.open(BytesIO(jpeg))


def test_large_image_becomes_a_smaller_jpeg(repository: ConversationRepository) -> None:
    image = kept(repository, encoded(Image.new("RGB", (4000, 1000), "red"), "BMP"))
    assert image.format == "JPEG" and image.size == (1568, 392)
    assert kept(repository, encoded(Image.new("RGB", (40, 10), "red"))).size == (40, 10)


def test_image_is_upright_and_on_white(repository: ConversationRepository) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees, as phones do
    assert kept(repository, encoded(Image.new("RGB", (40, 10), "red"), "JPEG", exif=exif)).size == (10, 40)
    clear = kept(repository, encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))))
    assert min(clear.getpixel((4, 4))) > 250  # type: ignore[arg-type]
    palette = Image.new("P", (8, 8), 0)
    assert kept(repository, encoded(palette, "GIF", transparency=0)).mode == "RGB"


def test_same_image_is_stored_once(repository: ConversationRepository) -> None:
    data = encoded(Image.new("RGB", (8, 8), "red"))
    first, second = repository.keep_images([("a.png", data), ("b\n\u202eb.png", data)])
    assert first.picture == second.picture and len(repository.pictures([first, second])) == 1
    assert "\n" not in second.name and "\u202e" not in second.name


@pytest.mark.parametrize(
    ("data", "key", "words"),
    [
        (bomb(), "image_too_large", "60000 x 60000"),
        (b"x" * (MOST_BYTES + 1), "image_too_large", "64 MiB"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unknown", "JPEG, PNG"),
        (b"", "image_unknown", "evil.png"),
        (encoded(Image.effect_noise((200, 200), 90))[:3000], "image_damaged", "evil.png"),
    ],
)
def test_hostile_images_are_refused(repository: ConversationRepository, data: bytes, key: str, words: str) -> None:
    with pytest.raises(InputError, match=key) as raised:
        repository.keep_images([("good.png", encoded(Image.new("RGB", (8, 8)))), ("evil.png", data)])
    assert all(words in error_text(raised.value, language) for language in ("en", "zh"))  # type: ignore[arg-type]


def test_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(InputError, match="image_not_found") as raised:
            read_image(path)
        assert str(path) in error_text(raised.value, "en")


def test_images_belong_to_their_turn_with_numbers(repository: ConversationRepository, store: Store) -> None:
    images = repository.keep_images(
        (f"{colour}.png", encoded(Image.new("RGB", (8, 8), colour))) for colour in ("red", "blue")
    )
    conversation = Conversation.begun_about(["job"], "en").with_question("Which?", AskSettings(), images=images)
    assert [(image.number, image.name) for image in conversation.last.images] == [(1, "red.png"), (2, "blue.png")]
    conversation = repository.add(conversation).with_question("And?", AskSettings(), images=images[1:])
    assert repository.add(conversation).last.images == (conversation.turn(1).images[1],)
    edited = conversation.with_question("Which, then?", AskSettings(), edit=1)
    assert edited.last.images == conversation.turn(1).images
    assert repository.get(conversation.id).turn(1) == conversation.turn(1)
    (trashed,) = repository.discard(conversation.id)
    Trash(store).purge_conversation(trashed)
    assert not repository.pictures(images)


def test_too_many_images_are_refused(repository: ConversationRepository) -> None:
    images = repository.keep_images([("a.png", encoded(Image.new("RGB", (8, 8))))]) * 9
    with pytest.raises(ConfigError, match="ask_images_many") as raised:
        Conversation.begun_about([], "en").with_question("Which?", AskSettings(), images=images)
    assert "9" in error_text(raised.value, "en") and "8" in error_text(raised.value, "zh")
