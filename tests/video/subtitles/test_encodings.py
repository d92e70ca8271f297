"""Decoder of subtitle files in legacy encodings: what they say is read, and the assumed encoding is named."""

import pytest

from framelens.video.subtitles.encodings import UnknownEncodingError, decoded

JAPANESE = [
    "こんにちは、元気ですか。",
    "明日の朝、駅の前で会いましょう。",
    "電車が遅れているそうです。",
    "大丈夫、まだ時間があるよ。",
]
KOREAN = [
    "안녕하세요, 오랜만이에요.",
    "내일 아침에 역 앞에서 만나요.",
    "기차가 늦는다고 합니다.",
    "괜찮아요, 아직 시간이 있어요.",
]
TRADITIONAL = ["你好，好久不見了。", "我們明天早上在車站前面見吧。", "聽說火車會晚到，屋子裏等。", "沒關係，還有時間。"]
CANTONESE = ["你喺邊度呀？", "我哋聽日朝早喺車站見啦。", "佢話架火車遲咗到喎。", "唔緊要，仲有時間嘅。"]
SIMPLIFIED = ["你好，好久不见了。", "我们明天早上在车站前面见吧。", "听说火车会晚点。", "没关系，还有时间。"]
FRENCH = [
    "Bonjour, ça fait longtemps.",
    "À demain matin, devant la gare.",
    "Le train serait en retard, paraît-il.",
    "Où êtes-vous ?",
]
GERMAN = [
    "Guten Tag, schön, Sie zu sehen.",
    "Wir treffen uns früh vor dem Bahnhof.",
    "Der Zug hat Verspätung, heißt es.",
    "Müssen wir gehen?",
]
RUSSIAN = [
    "Здравствуйте, давно не виделись.",
    "Встретимся завтра утром у вокзала.",
    "Говорят, поезд опаздывает.",
    "Ничего, время ещё есть.",
]
UKRAINIAN = [
    "Добрий день, давно не бачилися.",
    "Зустрінемося завтра вранці біля вокзалу.",
    "Кажуть, їхній потяг запізнюється.",
    "Нічого, час ще є.",
]
SERBIAN = ["Добар дан, дуго се нисмо видели.", "Видимо се сутра ујутру.", "Кажу да воз касни.", "Нема везе, љубави."]
POLISH = [
    "Nie wiem, co się stało z tą książką.",
    "Wróć dziś wieczorem.",
    "Źle się czuję, muszę iść.",
    "Gdzie mój płaszcz?",
]
CZECH = ["Nevím, kde je ten červený kůň.", "Přijď prosím ještě dnes.", "Žádný problém.", "Kdy se vrátíš domů?"]
HUNGARIAN = ["Nem tudom, hol van.", "Kérem, jöjjön vissza.", "Szép időnk van, ugye?", "Őszintén szólva fáradt."]
LITHUANIAN = [
    "Nežinau, kas atsitiko su šia knyga.",
    "Grįžk šiandien vakare, prašau.",
    "Kur mano geltonas paltas?",
    "Ačiū, viskas gerai, žąsis.",
]
TURKISH = [
    "Kitaba ne olduğunu bilmiyorum.",
    "Lütfen bu akşam geri gel.",
    "Sarı paltom nerede?",
    "İstanbul güzel, çünkü.",
]
GREEK = [
    "Δεν ξέρω τι συνέβη με το βιβλίο.",
    "Παρακαλώ, έλα πίσω απόψε.",
    "Πού είναι το παλτό μου;",
    "Όλα είναι εντάξει.",
]
HEBREW = [
    "אני לא יודע מה קרה לספר, אבל הוא היה כאן אתמול.",
    "בבקשה תחזור הערב, כי אנחנו רוצים לאכול ביחד.",
    "איפה המעיל הצהוב שלי? השארתי אותו ליד הדלת.",
    "הייתי רוצה שתישאר איתנו עוד קצת, אם זה אפשרי.",
]
ARABIC = ["لا أعرف ماذا حدث للكتاب.", "من فضلك عد هذا المساء.", "أين معطفي الأصفر؟", "أود أن تبقى."]
THAI = ["ฉันไม่รู้ว่าเกิดอะไรขึ้น", "กรุณากลับมาเย็นนี้", "เสื้อของฉันอยู่ที่ไหน", "ฉันอยากให้คุณอยู่"]

FILES = [
    (POLISH, "cp1250", "Windows-1250"),
    (CZECH, "cp1250", "Windows-1250"),
    (HUNGARIAN, "cp1250", "Windows-1250"),
    (POLISH, "iso8859-2", "ISO-8859-2"),
    (CZECH, "iso8859-2", "ISO-8859-2"),
    (TURKISH, "cp1254", "Windows-1254"),
    (GREEK, "cp1253", "Windows-1253"),
    (HEBREW, "cp1255", "Windows-1255"),
    (ARABIC, "cp1256", "Windows-1256"),
    (THAI, "cp874", "Windows-874"),
    (RUSSIAN, "koi8_r", "KOI8-R"),
    (JAPANESE, "euc_jp", "EUC-JP"),
    (JAPANESE, "cp932", "Shift-JIS"),
    (KOREAN, "euc-kr", "EUC-KR"),
    (KOREAN, "cp949", "EUC-KR"),
    (TRADITIONAL, "cp950", "Big5"),
    (CANTONESE, "big5hkscs", "Big5"),
    (SIMPLIFIED, "gb18030", "GB18030"),
    (FRENCH, "cp1252", "Windows-1252"),
    (GERMAN, "latin-1", "Windows-1252"),
    (RUSSIAN, "cp1251", "Windows-1251"),
    (LITHUANIAN, "cp1257", "Windows-1257"),
    (RUSSIAN, "cp866", "CP866"),
    (RUSSIAN, "mac_cyrillic", "MAC-CYRILLIC"),
    (RUSSIAN, "iso8859-5", "ISO-8859-5"),
    (UKRAINIAN, "koi8_u", "KOI8-U"),
    (UKRAINIAN, "cp1125", "CP1125"),
    (SERBIAN, "cp855", "CP855"),
    (POLISH, "cp852", "CP852"),
    (CZECH, "cp852", "CP852"),
    (POLISH, "mac_latin2", "MAC-LATIN2"),
    (FRENCH, "cp850", "CP850"),
    (GERMAN, "cp850", "CP850"),
    (GERMAN, "mac_roman", "MAC-ROMAN"),
    (FRENCH, "mac_roman", "MAC-ROMAN"),
    (TURKISH, "cp857", "CP857"),
    (GREEK, "cp737", "CP737"),
    (HEBREW, "cp862", "CP862"),
    (ARABIC, "iso8859-6", "ISO-8859-6"),
    (LITHUANIAN, "cp775", "CP775"),
    (SIMPLIFIED, "utf-16-le", "UTF-16"),
    (JAPANESE, "utf-16-be", "UTF-16"),
    (KOREAN, "utf-8", ""),
    (FRENCH, "utf-8-sig", ""),
    (RUSSIAN, "utf-16", ""),
]
IDS = [f"{encoding}-{name or 'known'}" for _, encoding, name in FILES]


def srt(lines: list[str]) -> str:
    times = (clock(number) for number in range(1, len(lines) + 1))
    cues = (f"{time},000 --> {time},900\n{line}\n" for time, line in zip(times, lines, strict=True))
    return "\n".join(f"{number}\n{cue}" for number, cue in enumerate(cues, 1))


def clock(seconds: int) -> str:
    return f"00:{seconds // 60:02d}:{seconds % 60:02d}"


@pytest.mark.parametrize("times", [1, 200], ids=["short", "long"])
@pytest.mark.parametrize(("lines", "encoding", "name"), FILES, ids=IDS)
def test_legacy_encodings_are_recognised(lines: list[str], encoding: str, name: str, times: int) -> None:
    text = srt(lines * times).replace("\n", "\r\n")
    result = decoded(text.encode(encoding))
    assert (result.text, result.assumed) == (text, name)


@pytest.mark.parametrize(("lines", "encoding", "name"), FILES[:11], ids=IDS[:11])
def test_two_lines_are_enough(lines: list[str], encoding: str, name: str) -> None:
    text = srt(lines[1:3])
    assert decoded(text.encode(encoding)).text == text


def test_broken_bytes_and_binaries_are_told_apart() -> None:
    # A broken byte does not turn utf8 into another encoding.
    data = srt(TRADITIONAL * 20).encode()
    cut = decoded(data[: data.rindex("間".encode()) + 2])
    assert "你好，好久不見了。" in cut.text and cut.assumed == "UTF-8"
    # Bytes that are no text raise.
    with pytest.raises(UnknownEncodingError):
        decoded(bytes(range(128, 256)) * 20)


@pytest.mark.parametrize("encoding", ["cp1251", "cp866"])
def test_a_text_in_capitals_is_recognised(encoding: str) -> None:
    text = srt([line.upper() for line in RUSSIAN])
    assert decoded(text.encode(encoding)).text == text


def test_english_with_typographic_signs_is_recognised() -> None:
    text = srt(["I don’t know.", "“It’s fine,” she said…", "Wait—what?"])
    assert decoded(text.encode("cp1252")).text == text


@pytest.mark.parametrize(
    ("line", "encoding", "language"),
    [
        *(("สวัสดีครับ", "cp874", "th"), ("ไม่", "tis_620", "th"), ("ขอบคุณ", "cp874", "th")),
        *(("Evet, doğru.", "cp1254", "tr"), ("İyi geceler.", "cp1254", "tr"), ("Şimdi değil.", "iso8859_9", "tr")),
        *(("早晨", "big5hkscs", "zh-hant"), ("係咪呀", "big5hkscs", "zh-hant"), ("謝謝", "big5", "zh-hant")),
        *(("לא", "cp862", "he"), ("בוא נלך", "cp1255", "he"), ("Ναι", "cp1253", "el")),
        *(("Děkuji", "cp1250", "cs"), ("Ačiū", "cp1257", "lt"), ("très bien", "cp1252", "fr")),
    ],
)
def test_language_of_the_name_decodes_one_cue(line: str, encoding: str, language: str) -> None:
    result = decoded(srt([line]).encode(encoding), (language,))
    assert result.text == srt([line]) and result.assumed


@pytest.mark.parametrize(("lines", "encoding", "name"), FILES[:20], ids=IDS[:20])
def test_a_wrong_name_changes_no_long_text(lines: list[str], encoding: str, name: str) -> None:
    text = srt(lines * 5)
    for language in ("th", "tr", "zh-hant", "ru", "en"):
        assert decoded(text.encode(encoding), (language,)).text == text
