"""Numbers that a rewriting invents, in digits and in words, and those that it only writes in another way."""

import pytest

from framelens.plugins.corrections.quantities import names_new_number


@pytest.mark.parametrize(
    "text",
    [
        "三辆车停在一起", "共二十五", "十二点半", "两个人走过", "两三个人", "第一次出现", "第三个人", "百分之五",
        "三分二十秒", "三千人", "一百多人", "十来个人", "住在五楼", "3万人", "第 1 次", "12 cars", "twelve cars",
        "twenty-five cars", "two hundred people", "1.5 m",
    ],
)  # fmt: skip
def test_an_invented_number_is_new(text: str) -> None:
    assert names_new_number(text, "A car stands there at 7:07. 一辆车停在一起。")


@pytest.mark.parametrize(
    "text",
    [
        "一起", "一些人一直在", "万一", "十分明显", "一辆车", "一个人", "几十个人", "十几个人", "数百人", "上百人",
        "四周都是树", "四处张望", "三轮车", "三明治", "二维码", "十字路口", "道路两侧", "星期三", "周五人们",
        "千万不要", "百万富翁", "乱七八糟", "五颜六色", "二手车", "二次元", "三角形", "第一时间", "one car", "a car",
        "1 car", "at 8:08",
    ],
)  # fmt: skip
def test_other_words_with_numerals_are_no_numbers(text: str) -> None:
    assert not names_new_number(text, "Cars.")


@pytest.mark.parametrize(
    ("digits", "chinese", "english"),
    [
        ("3 cars", "三辆车", "three cars"),
        ("12 cars", "十二辆车", "twelve cars"),
        ("25 of them", "二十五个", "twenty-five of them"),
        ("2–3 cars", "两三辆车", "two or three cars"),
        ("200 people", "二百人", "two hundred people"),
        ("3,000 people", "三千人", "three thousand people"),
        ("30000 people", "3万人", "thirty thousand people"),
        ("1/3", "三分之一", "one in three"),
    ],
)
def test_a_number_may_be_written_in_any_way(digits: str, chinese: str, english: str) -> None:
    ways = (digits, chinese, english)
    assert not [(text, source) for text in ways for source in ways if names_new_number(text, source)]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("both cars", "两辆车"),
        ("for the first time", "第一次出现"),
        ("a third man", "第三个男人"),
        ("他们俩", "two of them"),
        ("twice", "两次"),
        ("at 12:30", "十二点半"),
        ("at 00:04.500", "第四秒"),
        ("三轮车", "a three-wheeler"),
        ("3.5 m", "三点五米"),
    ],
)
def test_other_words_may_become_a_number(source: str, text: str) -> None:
    assert not names_new_number(text, source)
