"""Texts that somebody could give for a name: each is one that a page, a terminal or a file chokes on."""

from __future__ import annotations

import random
import re

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
FORMATS = [
    *map(chr, (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x2070))),
    *map(chr, (0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB, 0xE0001, 0xE0041, 0xE007F)),
]
HALVES = [chr(code) for code in (0xD800, 0xDBFF, 0xDC00, 0xDC80, 0xDCFF, 0xDFFF)]
VARIANTS = [*map(chr, (0x180B, 0x180F, 0xFE00, 0xFE0E, 0xFE0F, 0xE0100, 0xE01EF)), "\U0001d159"]
BLANKS = ["\u3164", "\u115f", "\u2800", "\u00a0", "\u2003", "\u3000", "\u034f", *VARIANTS, "  ", " "]
NOTHINGS = ["\ue000", "\uffff", "\ufdd0", "\U0010ffff", "\u0378"]
MARKUP = (
    "<script>alert(1)</script>|</title><h1>PASSED</h1>|--></style>|<img src=x onerror=alert(1)>|&lt;b&gt;"
    "|{{ 7*7 }}|{% raw %}|${7*7}|`code`|**bold**|[link](javascript:alert(1))|| a | b ||# head|<!--|]]>|\"'"
    "|%s%d|%00|'; DROP TABLE|=cmd()|\\x1b[31m|\\u202e|\\\\server\\share|C:\\new\\table|a\\b|\\|\\\\|…|null"
).split("|")
CSI = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x1bPq#0\x1b\\", "\x9b31m", "\r\x1b[Kok"]
SCRIPTS = [
    *("猫の写真", "قطة", "חתול", "แมว", "बिल्ली", "кошка", "γάτα", "😺", "👩\u200d🔬", "می\u200cخواهم"),
    *("e\u0301", "Z" + "\u0300" * 40, "ﷺ" * 20, "ｆｕｌｌ", "ß", "İ", "ǅ"),
]
LONG = [
    *("x" * n for n in (254, 255, 256, 257, 1000, 50_000)),
    *("x" * 49_999 + "y", "x" * 25_000 + "y" + "x" * 24_999),
    *("語" * 50_000, "\x1b" * 50_000, "\u202e" * 5_000, "a b " * 12_500, "\ud800" * 5_000, "\\x1b" * 9_000),
]


def texts() -> list[str]:
    """More than five hundred, no two alike: what is odd alone, before, within and behind a name, and some
    of all of it."""
    alone = [*CONTROLS, *FORMATS, *HALVES, *BLANKS, *NOTHINGS]
    found = [*alone, *(f"a{c}b" for c in alone), *(f"{c}ab" for c in alone), *(f"ab{c}" for c in alone)]
    found += [*MARKUP, *CSI, *SCRIPTS, *LONG, *(f"{one}{two}" for one in CSI for two in SCRIPTS)]
    seeded = random.Random(17)
    every = [*alone, *CSI, *SCRIPTS, *MARKUP]
    found += ["".join(seeded.choices(every, k=seeded.randint(2, 12))) for _ in range(60)]
    return list(dict.fromkeys(found))


# what no text that is shown may hold: controls but line ends and tabs, what turns or hides text, halves
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\u180b-\u180f\ufe00-\ufe0e\U000e0100-\U000e01ef]|(?<=[a-z \u3040-\u9fff\U0001f600-\U0001f64f])\ufe0f"
)
